"""erf and gelu."""

from protocol.tape.functions.exponential import exp_bounded, polynomial
from protocol.tape.scalar import Value, bits, fma, from_bits, maximum, minimum, where

_ERF_NEAR = (
    7.854008435970172e-05,
    -0.0008010242017917335,
    0.005188333801925182,
    -0.026853814721107483,
    0.1128358542919159,
    -0.3761262595653534,
    0.12837916709551257,
)
_LOG_ERFC = (
    0.00018760564853437245,
    -0.0029601221904158592,
    0.02188967354595661,
    -0.10321826487779617,
    -0.638012170791626,
    -1.1271716356277466,
    -0.00032056443160399795,
)
_PHI_NEAR = (
    -7.3911560320993885e-06,
    0.00011276004079263657,
    -0.0011855973862111568,
    0.009972997941076756,
    -0.0664902999997139,
    0.3989422917366028,
)
_LOG_PHI = (
    -1.498772462582565e-06,
    4.7449379453032494e-05,
    -0.0006846746546216309,
    0.00606562802568078,
    -0.037785306572914124,
    -0.31733274459838867,
    -0.798225462436676,
    -0.6931050419807434,
)


def erf(x: Value) -> Value:
    """The error function: an odd polynomial up to 1, then 1 - exp(polynomial). Worst error 1.1 ulp."""
    size = minimum(abs(x), 4.0)
    near = fma(polynomial(x * x, _ERF_NEAR), x, x)
    far = -exp_bounded(polynomial(size, _LOG_ERFC)) + 1.0
    signed = from_bits(bits(far) | (bits(x) & -0x80000000))
    return where(size <= 1.0, near, where(size <= 4.0, signed, x))


def gelu(x: Value) -> Value:
    """x Phi(x), Phi the normal distribution. Worst error 3 ulp for x >= -1, 1e-7 absolute everywhere."""
    bounded = maximum(x, -14.0)
    size = minimum(abs(x), 14.0)
    near = fma(polynomial(x * x, _PHI_NEAR), x, 0.5)
    below = exp_bounded(maximum(polynomial(size, _LOG_PHI), -87.0))
    far = where(x < 0.0, below, -below + 1.0)
    return where(size <= 1.0, near, far) * bounded
