#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "product.h"
#define BODY "bytes.inc"
#include "isa.h"
