#include "reduce.h"
#define BODY "reduce.inc"
#include "isa.h"
