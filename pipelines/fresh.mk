# SPDX-License-Identifier: MIT
# Between trainings: what the store got since is merged into WORK/ratings.rec, and WORK/serving.rec is the production model with users made anew, so
# that new users and new ratings count. `make training WARM=production` then learns from them, beginning with what was learnt before.
#
# A rating that was taken back, and whoever was forgotten, is in what was exported before: `make reload`, every night, has what the store has then.

fresh: merge-fresh
	+@[ ! -e $(PRODUCTION) ] || $(MAKE) --no-print-directory refresh
refresh: $(W)/serving.rec

# The mark goes on when the ratings are merged: what was interrupted is exported again, and merging it twice is merging it once. Exports overlap a
# little; ratings.rec becomes newer when something in it is.
checksum = $$(rec-info $(1) | sed -n 's/^ *checksum *//p')
merge-fresh: | $(W)/ratings.rec
	@[ -n '$(STORE)' ] || { echo 'fresh: STORE=URL says where new ratings are: an SQLite file, or postgresql://...' >&2; exit 1; }
	cp $(W)/mark $(W)/mark.next
	$(call step,export-fresh,,$(W)/fresh.csv) rec-db --store $(STORE) export ratings -q --mark $(W)/mark.next -o $(W)/fresh.csv
	[ $$(head -n 2 $(W)/fresh.csv | wc -l) -lt 2 ] || { \
	    $(call step,load-fresh,$(W)/fresh.csv,$(W)/fresh.rec) rec-ingest -q $(SETTINGS) $(INGEST) -o $(W)/fresh.rec $(W)/fresh.csv && \
	    $(call step,merge,$(W)/ratings.rec $(W)/fresh.rec,$(W)/merged.rec) rec-filter --merge -o $(W)/merged.rec $(W)/ratings.rec $(W)/fresh.rec && \
	    { [ "$(call checksum,$(W)/merged.rec)" = "$(call checksum,$(W)/ratings.rec)" ] || mv $(W)/merged.rec $(W)/ratings.rec; }; }
	mv $(W)/mark.next $(W)/mark
	rm -f $(W)/fresh.csv $(W)/fresh.rec $(W)/merged.rec

reload:
	+@$(MAKE) --no-print-directory -W $(W)/params/load load

# The journal tells of every promotion and rollback.
$(W)/serving.rec: $(W)/ratings.rec $(PRODUCTION) $(wildcard $(REGISTRY)/journal.jsonl)
	$(call step,refresh) rec-train $(SETTINGS) --refresh $(PRODUCTION) -o $@ $<

$(PRODUCTION):
	@echo '$@: no model in production yet: make training' >&2; exit 1
