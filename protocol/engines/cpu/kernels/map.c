#include "map.h"
#include "scalar.h"
#define BODY "map.inc"
#include "isa.h"
