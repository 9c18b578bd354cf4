# SPDX-License-Identifier: MIT
# The training pipeline: ratings that have passed the checks to a model, what it is worth, whether it is taken, and the production model.
#
#   WORK/train.rec  WORK/test.rec  WORK/model.rec  WORK/trace.csv (loss by pass)  WORK/metrics.json  WORK/users.csv (measures by user)
#   WORK/decision.json (the registry's line of it: event is promote or refuse, and the reasons)
#
#   REGISTRY=DIR      where versions of models are, and which is in production; WORK/registry by default
#   DEPLOY=COMMAND    what `make deploy` runs when a model went into production, say `systemctl reload rec-serve`
#   WARM=MODEL        training begins with the factors of an earlier model, for WARM_PASSES passes (production: the one in the registry)

WARM_PASSES ?= 2
ifeq ($(WARM),production)
override WARM := $(wildcard $(PRODUCTION))
endif

training: decide
split: $(W)/train.rec $(W)/test.rec
train: $(W)/model.rec
evaluate: $(W)/metrics.json $(W)/users.csv
decide: $(W)/decision.json

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

# Better parameters, when somebody asks for them: the section `train:` of WORK/tuned.yaml may take the place of that of params.yaml. They are chosen by a
# part of the training ratings. A search that was killed goes on from its trials, unless what they hang on is newer.
tune: $(W)/tuned.yaml
$(W)/tuned.yaml: $(W)/train.rec $(W)/params/tune
	[ $(W)/trials.csv -nt $< ] && [ $(W)/trials.csv -nt $(W)/params/tune ] || rm -f $(W)/trials.csv
	$(call step,tune,,$@ $(W)/trials.csv) rec-tune $(SETTINGS) --csv $(W)/trials.csv -o $@ $<

$(W)/metrics.json: $(W)/model.rec $(W)/test.rec $(W)/params/eval $(call lost,$(W)/users.csv)
	$(call step,evaluate,,$@ $(W)/users.csv) rec-eval $(SETTINGS) --per-user $(W)/users.csv -o $@ $(W)/model.rec $(W)/test.rec
$(W)/users.csv: $(W)/metrics.json ;

# Ratings that came since make another test part: what the production model was measured to be on the one before says nothing beside the new model. It is
# measured anew, with its users as a server folds them in.
BASELINE = $$([ ! -e $(PRODUCTION) ] || echo --baseline-metrics $(W)/baseline.json --baseline-users $(W)/baseline.csv)

$(W)/baseline.json: $(W)/train.rec $(W)/test.rec $(PRODUCTION) $(W)/params/eval
	case $$(rec-info $(PRODUCTION) | sed -n 's/^ *model  *//p') in \
	popular) cp $(PRODUCTION) $(W)/baseline.rec ;; \
	*) $(call step,baseline,,$(W)/baseline.rec) rec-train $(SETTINGS) --refresh $(PRODUCTION) -o $(W)/baseline.rec $< ;; esac
	$(call step,evaluate-baseline,$(W)/baseline.rec $(W)/test.rec,$@ $(W)/baseline.csv) rec-eval $(SETTINGS) --per-user $(W)/baseline.csv -o $@ \
	    $(W)/baseline.rec $(W)/test.rec
	rm -f $(W)/baseline.rec

# A model that is as good as the one in production, by the conditions of params.yaml, takes its place; otherwise the answer is no, which is an answer and
# no failure: it is in decision.json, and `make deploy` fails by it. It is decided once for a model: that another one went into production since, or that
# there was a rollback, does not ask for it again.
$(W)/decision.json: $(W)/model.rec $(W)/metrics.json $(W)/users.csv $(W)/params/registry-promote
	+@[ ! -e $(PRODUCTION) ] || $(MAKE) --no-print-directory $(W)/baseline.json
	n=$$($(call step,add,,$(W)/model.rec) rec-registry --registry $(REGISTRY) add $(SETTINGS) --metrics $(W)/metrics.json --users $(W)/users.csv \
	    --trace $(W)/trace.csv $(CATALOGUE:%=--catalogue %) --data $(W)/ratings.rec --test $(W)/test.rec $(W)/model.rec) && \
	{ $(call step,decide,,$(REGISTRY)/journal.jsonl) rec-registry --registry $(REGISTRY) promote $(SETTINGS) $(BASELINE) $$n || [ $$? -eq 3 ]; } && \
	grep -E '"event":"(promote|refuse)".*"number":'$$n, $(REGISTRY)/journal.jsonl | tail -n 1 >$@ && [ -s $@ ]

deploy: $(W)/decision.json
	@$(call step,deploy,,$(PRODUCTION)) sh -c 'grep -q "\"event\":\"promote\"" $< || { echo "deploy: the new model is not good enough: $<" >&2; exit 3; }'
	+@$(MAKE) --no-print-directory refresh
	$(DEPLOY)
