#!/bin/sh
# python.sh TEST [OPTION...]: tests that come with Python.
cd /tmp && exec python3 -m test "$@"
