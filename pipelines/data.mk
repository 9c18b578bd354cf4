# SPDX-License-Identifier: MIT
# The data pipeline: raw files, or the store, to ratings, a catalogue and features that have passed the checks.
#
#   WORK/ratings.rec  WORK/movies.rec  WORK/features.rec  WORK/checks.json (the report)  WORK/checks.ok (it says yes)

# Where a data set is: datasets/NAME.mk sets RATINGS, MOVIES (may be empty) and, where they need any, options for rec-ingest in INGEST, INGEST_MOVIES.
ifndef RATINGS
ifndef STORE
DEFINITION := $(firstword $(wildcard datasets/$(DATASET).mk) $(if $(filter ml-%,$(DATASET)),datasets/movielens.mk))
ifdef DEFINITION
include $(DEFINITION)
else ifndef IDLE
$(error DATASET=$(DATASET): there is no datasets/$(DATASET).mk; give RATINGS=FILE, STORE=URL, or one of: $(DATASETS))
endif
endif
endif

SETTINGS   = --config $(CONFIG)
CATALOGUE := $(if $(or $(MOVIES),$(STORE)),$(W)/movies.rec)

data: load features validate
load: $(W)/ratings.rec $(CATALOGUE)
features: $(W)/features.rec
validate: $(W)/checks.ok

$(W):
	mkdir -p $@

ifdef STORE
# All that the store has now. fresh.mk goes on from the mark.
$(W)/ratings.rec: $(W)/params/ingest $(W)/params/load | $(W)
	rm -f $(W)/mark.next
	$(call step,export,,$(W)/store.csv) rec-db --store $(STORE) export ratings -q --mark $(W)/mark.next -o $(W)/store.csv
	mv $(W)/mark.next $(W)/mark
	$(call step,load,$(W)/store.csv) rec-ingest $(SETTINGS) $(INGEST) -o $@ $(W)/store.csv
	rm -f $(W)/store.csv

$(W)/movies.rec: $(W)/params/ingest $(W)/params/load | $(W)
	$(call step,export-movies,,$(W)/movies.csv) rec-db --store $(STORE) export movies -q -o $(W)/movies.csv
	$(call step,load-movies,$(W)/movies.csv) rec-ingest $(SETTINGS) --movies $(INGEST_MOVIES) -o $@ $(W)/movies.csv
	rm -f $(W)/movies.csv
else
$(W)/ratings.rec: $(RATINGS) $(W)/params/ingest $(W)/params/load | $(W)
	$(call step,load) rec-ingest $(SETTINGS) $(INGEST) -o $@ $<

$(W)/movies.rec: $(MOVIES) $(W)/params/ingest $(W)/params/load | $(W)
	$(call step,load-movies) rec-ingest $(SETTINGS) --movies $(INGEST_MOVIES) -o $@ $<
endif

$(W)/features.rec: $(W)/ratings.rec $(CATALOGUE) $(W)/params/features
	$(call step,features) rec-features $(SETTINGS) $(CATALOGUE:%=--catalogue %) -o $@ $<

# The report is there whatever it says; training waits for a yes.
$(W)/checks.ok: $(W)/ratings.rec $(CATALOGUE) $(W)/params/validate
	$(call step,validate,,$(W)/checks.json) rec-validate $(SETTINGS) --json $(CATALOGUE:%=--catalogue %) -o $(W)/checks.json $<
	touch $@
