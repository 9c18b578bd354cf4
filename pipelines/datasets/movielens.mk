# MovieLens, as scripts/fetch-movielens leaves it: `scripts/fetch-movielens 100k build/data`. DATA=DIR says where else.
DATA    ?= ../build/data
RATINGS := $(firstword $(wildcard $(DATA)/$(DATASET)/u.data $(DATA)/$(DATASET)/ratings.dat $(DATA)/$(DATASET)/ratings.csv))
MOVIES  := $(firstword $(wildcard $(DATA)/$(DATASET)/u.item $(DATA)/$(DATASET)/movies.dat $(DATA)/$(DATASET)/movies.csv))
ifeq ($(RATINGS)$(IDLE),)
$(error $(abspath $(DATA)/$(DATASET)): not there: run scripts/fetch-movielens $(DATASET:ml-%=%) $(abspath $(DATA)), or give DATA=DIR)
endif
