# SPDX-License-Identifier: MIT
# What each step depends on besides files: WORK/params/STEP holds the settings of its tool, as the tool itself sees them (params.yaml, environment), and
# the tool's version. They are written while make reads this, and only when they have changed, so that make sees by their time what has to run, with -n
# and -q as well.

STEPS := ingest validate features split train tune eval registry-promote

ifndef IDLE
$(shell PATH='$(PATH)' ./params $(W)/params $(CONFIG) $(STEPS))
ifneq ($(.SHELLSTATUS),0)
$(error $(CONFIG): see above)
endif
# How raw files are read is said by datasets/*.mk and on the command line.
$(file >$(W)/params/.load,$(RATINGS) $(MOVIES) $(STORE) $(INGEST) $(INGEST_MOVIES))
$(shell ./params $(W)/params - load <$(W)/params/.load)
endif
