"""Bitwuzla as the program that halmos expects of a solver: answers the SMT-LIB file that it is given."""

import sys

import bitwuzla  # type: ignore[import-not-found] # stands beside halmos only

options = bitwuzla.Options()
options.set(bitwuzla.Option.PRODUCE_MODELS, True)
bitwuzla.Parser(bitwuzla.TermManager(), options).parse(sys.argv[1])
