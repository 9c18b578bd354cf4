# SPDX-License-Identifier: MIT
# The training pipeline: ratings that have passed the checks to a model, what it is worth, whether it is taken, and the production model.
#
#   WORK/train.rec  WORK/test.rec  WORK/model.rec  WORK/trace.csv (loss by pass)  WORK/metrics.json  WORK/users.csv (measures by user)
#
#   WARM=MODEL        training begins with the factors of an earlier model, for WARM_PASSES passes (production: the one in the registry)

WARM_PASSES ?= 2
ifeq ($(WARM),production)
override WARM := $(wildcard $(PRODUCTION))
endif

training: evaluate
split: $(W)/train.rec $(W)/test.rec
train: $(W)/model.rec
evaluate: $(W)/metrics.json $(W)/users.csv

# A step that makes two files is a rule for the first; the second comes with it. $(call lost,SECOND...): what makes the rule run again when only the
# second is gone. (Rules for groups of targets, &:, make 4.3 does not see through with -n.)
lost = $(if $(filter-out $(wildcard $(1)),$(1)),FORCE)
FORCE:
.PHONY: FORCE

$(W)/train.rec: $(W)/ratings.rec $(W)/params/split $(W)/checks.ok $(call lost,$(W)/test.rec)
	$(call step,split,,$@ $(W)/test.rec) rec-split $(SETTINGS) --out-test $(W)/test.rec -o $@ $<
$(W)/test.rec: $(W)/train.rec ;

$(W)/model.rec: $(W)/train.rec $(W)/params/train $(WARM) $(call lost,$(W)/trace.csv)
	$(call step,train,,$@ $(W)/trace.csv) rec-train $(SETTINGS) $(WARM:%=--warm % --passes $(WARM_PASSES)) --trace $(W)/trace.csv -o $@ $<
$(W)/trace.csv: $(W)/model.rec ;

$(W)/metrics.json: $(W)/model.rec $(W)/test.rec $(W)/params/eval $(call lost,$(W)/users.csv)
	$(call step,evaluate,,$@ $(W)/users.csv) rec-eval $(SETTINGS) --per-user $(W)/users.csv -o $@ $(W)/model.rec $(W)/test.rec
$(W)/users.csv: $(W)/metrics.json ;
