#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "product.h"
#include "reduce.h"
#define BODY "product.inc"
#include "isa.h"
