# rec: a recommender system made of Unix tools.
#
#   make                    build/bin/rec, build/bin/rec-ingest, ...
#   make check              unit and command tests        (scripts/check installs what they need first)
#   make lint               layers, headers alone, names, banned calls, shell, man pages, analyzer
#   make bench              the tables of tests/bench
#   make soak               tests/soak: long runs
#   make fuzz               the fuzz targets, with clang's libFuzzer
#   make install            into $(DESTDIR)$(PREFIX)
#   make dist clean uninstall
#
#   SANITIZE=address,undefined or SANITIZE=thread builds beside the plain build, in build/san-...
#   WERROR=1 makes warnings errors (CI does).  config.mk, if there, may set any variable.

-include config.mk

VERSION  := 0.1.0
PREFIX   ?= /usr/local
CC       ?= cc
AR       ?= ar
comma    := ,
B        ?= build$(if $(SANITIZE),/san-$(subst $(comma),-,$(SANITIZE)))

# -- flags ---------------------------------------------------------------------------------------

OPT      ?= -O2 -g
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wformat-security $(if $(WERROR),-Werror)
HARDEN   := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection \
            $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
LIBPQ    := $(shell pkg-config --cflags libpq 2>/dev/null)
CPPFLAGS += -D_GNU_SOURCE -Ilib -include lib/util/banned.h $(LIBPQ)
# No contraction, no reassociation: a fused multiply-add happens where the kernels ask for it and nowhere else.
CFLAGS   += -std=c11 $(OPT) $(WARN) $(HARDEN) -ffp-contract=off -fno-math-errno -pthread
LDFLAGS  += -pie -pthread -Wl,-z,relro -Wl,-z,now -Wl,--as-needed
ifdef SANITIZE
CFLAGS   += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS  += -fsanitize=$(SANITIZE)
endif

# -- rooms and tools: these lines are the architecture -------------------------------------------
# A room of lib/ becomes one archive; rooms stand here from the top of the picture to its foot.

ROOMS       := serve tune eval models score auth http cache backup store sql registry crypto synth ingest data linalg kernels format observe util
LIBS.format := -lcsv -lyaml -ljansson -lz -lzstd
LIBS.linalg := -llapacke -lopenblas
LIBS.util   := -lm
LIBS.crypto := -lsodium
LIBS.http   := -levent_core -lssl -lcrypto
LIBS.sql    := -lsqlite3 -lpq
LIBS.cache  := -lhiredis
LIBS.registry := -lcurl

# What each tool is composed of, besides cmd/tool*.c, format and util, which every one needs.
USES.rec           :=
USES.rec-ingest    := ingest data
USES.rec-validate  := data
USES.rec-split     := data
USES.rec-filter    := data
USES.rec-features  := data
USES.rec-info      := score data kernels
USES.rec-cat       := score data kernels
USES.rec-synth     := synth ingest data
USES.rec-train     := tune eval models score data linalg kernels
USES.rec-tune      := tune eval models score data linalg kernels
USES.rec-plot      := eval data
USES.rec-recommend := score data kernels
USES.rec-similar   := score data kernels
USES.rec-predict   := score data kernels
USES.rec-eval      := tune eval score data kernels
USES.rec-drift     := eval observe score data kernels
USES.rec-db        := backup store sql crypto ingest data
USES.rec-registry  := registry eval score crypto data kernels
USES.rec-job       := observe crypto
USES.rec-metrics   := serve registry crypto observe
USES.rec-serve     := serve auth http cache store sql crypto score data kernels observe

# Programs that a tool becomes, and nobody calls: installed in LIBEXECDIR/rec. OF names the tool whose parts they share.
HELPERS              := rec-serve-listen
OF.rec-serve-listen  := rec-serve
USES.rec-serve-listen := $(USES.rec-serve)

# A program that is started for every request is linked statically: its start is nearly twice as fast. What SQLite would load at run time
# (dlopen, of which the linker warns) it never does: extensions are off. `LINK.rec-serve=` links it as the others.
ifndef SANITIZE
LINK.rec-serve ?= -static-pie -Wl,--no-warnings
endif

# cmd/rec-X_part.c is linked into rec-X, cmd/tool_part.c into every tool.
TOOLS := $(filter-out $(HELPERS),$(foreach f,$(patsubst cmd/%.c,%,$(wildcard cmd/rec*.c)),$(if $(findstring _,$(f)),,$(f))))
PARTS  = $(patsubst %.c,$(B)/obj/%.o,$(wildcard cmd/$(or $(OF.$(1)),$(1))_*.c cmd/tool.c cmd/tool_*.c))
BINS  := $(TOOLS:%=$(B)/bin/%)
HELPER_BINS := $(HELPERS:%=$(B)/bin/%)

.DELETE_ON_ERROR:
.SECONDARY:
all: $(BINS) $(HELPER_BINS)

# -- objects -------------------------------------------------------------------------------------
# Files named *_avx2.c and *_avx512.c are compiled for that CPU; kernels.c picks one at run time.

$(B)/obj/%_avx2.o:   CPU := -mavx2 -mfma -mbmi -mbmi2 -mlzcnt -mpopcnt
$(B)/obj/%_avx512.o: CPU := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512
$(B)/obj/lib/kernels/%.o: OPT := -O3 -g

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CPPFLAGS_EXTRA) $(CFLAGS) $(CPU) -MMD -MP -c -o $@ $<

# The version and commit, rewritten only when they change.
$(B)/version.h: FORCE
	@mkdir -p $(@D)
	@{ echo '#define REC_VERSION "$(VERSION)"'; \
	   echo "#define REC_COMMIT \"$$(git describe --always --dirty --exclude '*' 2>/dev/null || echo unknown)\""; } >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
FORCE:
$(B)/obj/cmd/tool.o: CPPFLAGS_EXTRA := -I$(B)
$(B)/obj/cmd/tool.o: $(B)/version.h

define room
$(B)/lib/$(1).a: $(patsubst %.c,$(B)/obj/%.o,$(wildcard lib/$(1)/*.c))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

# $(call archives,rooms) and $(call libs,rooms): in the order the linker wants.
archives = $(foreach r,$(ROOMS),$(if $(filter $(r),$(1)),$(B)/lib/$(r).a))
libs     = $(foreach r,$(ROOMS),$(if $(filter $(r),$(1)),$(LIBS.$(r))))

define tool
$(B)/bin/$(1): $(B)/obj/cmd/$(1).o $(call PARTS,$(1)) $(call archives,$(USES.$(1)) format util)
	@mkdir -p $$(@D)
	$(CC) $(CFLAGS) $(if $(LINK.$(1)),$(filter-out -pie,$(LDFLAGS)) $(LINK.$(1)),$(LDFLAGS)) -o $$@ $$^ $(call libs,$(USES.$(1)) format util)
endef
$(foreach t,$(TOOLS) $(HELPERS),$(eval $(call tool,$(t))))

# What `rec` says of each tool is the line that its page begins with.
$(B)/summaries.h: $(wildcard man/rec-*.1)
	@mkdir -p $(@D)
	@awk '/^\.Nm rec-/ && FILENAME != last { name = $$2; last = FILENAME } \
	    /^\.Nd / { sub(/^\.Nd /, ""); gsub(/["\\]/, "\\\\&"); printf "{\"%s\", \"%s\"},\n", name, $$0 }' $^ </dev/null >$@
$(B)/obj/cmd/rec.o: CPPFLAGS_EXTRA := -I$(B)
$(B)/obj/cmd/rec-serve.o: CPPFLAGS_EXTRA = -DREC_LIBEXECDIR=\"$(LIBEXECDIR)\"
$(B)/obj/cmd/rec.o: $(B)/summaries.h

# The migrations are built into the program, byte for byte. They are bytes and not strings, whose length compilers limit.
MIGRATIONS := $(sort $(wildcard data/migrations/*.sql))

$(B)/migrations.h: data/migrations $(MIGRATIONS)
	@mkdir -p $(@D)
	@{ i=0; for f in $(notdir $(MIGRATIONS)); do i=$$((i + 1)); \
	    echo "static const char text_$$i[] = {"; od -An -v -to1 data/migrations/$$f | sed "s/ *\([0-7]\{3\}\)/'\\\\\1',/g"; echo "0};"; done; \
	    echo "static const struct source builtin[] = {"; \
	    i=0; for f in $(notdir $(MIGRATIONS)); do i=$$((i + 1)); echo "{\"$$f\", text_$$i},"; done; \
	    echo "{NULL, NULL}};"; } >$@
$(B)/obj/lib/sql/migrate_set.o: CPPFLAGS_EXTRA := -I$(B)
$(B)/obj/lib/sql/migrate_set.o: $(B)/migrations.h

# So are the API's document and its page, with the digests of the page's script and style, which the page's policy names: what stands between
# the lines of their tags, the first line's end included.
DOCUMENTS := lib/serve/openapi.json lib/serve/ui/docs.html

$(B)/documents.h: $(DOCUMENTS)
	@mkdir -p $(@D)
	@{ for f in $^; do \
	    echo "static const char $$(basename $$f | tr . _)[] = {"; od -An -v -to1 $$f | sed "s/ *\([0-7]\{3\}\)/'\\\\\1',/g"; echo "0};"; done; \
	    for t in script style; do \
	        echo "#define DOCS_$$(echo $$t | tr a-z A-Z)_SHA256 \"$$({ echo; sed -n "/^<$$t>$$/,/^<\/$$t>$$/{//!p}" lib/serve/ui/docs.html; } | \
	            sha256sum | cut -d' ' -f1 | tr a-f A-F | basenc --base16 -d | base64)\""; done; } >$@
$(B)/obj/lib/serve/handle_docs.o: CPPFLAGS_EXTRA := -I$(B)
$(B)/obj/lib/serve/handle_docs.o: $(B)/documents.h

# And the code that loads a model in MLflow.
$(B)/pyfunc.h: lib/registry/rec_pyfunc.py
	@mkdir -p $(@D)
	@{ echo "static const char rec_pyfunc_py[] = {"; od -An -v -to1 $< | sed "s/ *\([0-7]\{3\}\)/'\\\\\1',/g"; echo "0};"; } >$@
$(B)/obj/lib/registry/pyfunc.o: CPPFLAGS_EXTRA := -I$(B)
$(B)/obj/lib/registry/pyfunc.o: $(B)/pyfunc.h

# -- tests ---------------------------------------------------------------------------------------
# tests/unit/<room>/test_<file>.c links everything: a test may look anywhere.

UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*/test_*.c))

$(B)/unit/%: $(B)/obj/tests/unit/%.o $(ROOMS:%=$(B)/lib/%.a)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(call archives,$(ROOMS)) -lcmocka $(call libs,$(ROOMS))

LINTS := layers headers names banned tools shell man sizes analyzer

lint: all $(ROOMS:%=$(B)/lib/%.a)
	@failed=; for l in $(LINTS); do B=$(B) scripts/lint/$$l || failed="$$failed $$l"; done; \
	    [ -z "$$failed" ] || { echo "lint:$$failed" >&2; exit 1; }

lints: ; @echo $(LINTS)

unit-programs: $(UNIT)

unit: $(UNIT)
	@B=$(B) scripts/run-tests $(UNIT)

# A fuzz target is tests/fuzz/fuzz_<what>.c with its corpus in tests/fuzz/corpus/fuzz_<what>/. `make fuzz` makes programs that look for
# new inputs (clang's libFuzzer; build/fuzz/fuzz_csv tests/fuzz/corpus/fuzz_csv); `make fuzz-regress` runs the corpora with the
# compiler and the sanitizers of the build.

FUZZ      := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_CC   ?= clang
FUZZ_CFLAGS := -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -pthread -ffp-contract=off
FUZZ_LIB  := $(filter-out lib/http/listen%,$(wildcard $(foreach r,util format kernels data ingest score http crypto,lib/$(r)/*.c))) \
             $(foreach f,tar table manifest archive archive_read,lib/backup/$(f).c)

$(B)/fuzz/obj/%_avx2.o:   CPU := -mavx2 -mfma
$(B)/fuzz/obj/%_avx512.o: CPU := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma
$(B)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_CFLAGS) $(CPU) -MMD -MP -c -o $@ $<

$(FUZZ:%=$(B)/fuzz/%): $(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/%.o $(FUZZ_LIB:%.c=$(B)/fuzz/obj/%.o)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -o $@ $^ $(call libs,crypto format util)

fuzz: $(FUZZ:%=$(B)/fuzz/%)

$(FUZZ:%=$(B)/fuzz-regress/%): $(B)/fuzz-regress/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/driver.o $(ROOMS:%=$(B)/lib/%.a)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(call archives,$(ROOMS)) $(call libs,$(ROOMS))

fuzz-regress: $(FUZZ:%=$(B)/fuzz-regress/%)
	@for f in $(FUZZ); do [ ! -d tests/fuzz/corpus/$$f ] || $(B)/fuzz-regress/$$f tests/fuzz/corpus/$$f || exit 1; done

# tests/bench/<name>.c is linked like a unit test; a script of tests/bench runs it and prints its table.

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(ROOMS:%=$(B)/lib/%.a)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(call archives,$(ROOMS)) $(call libs,$(ROOMS))

# tests/peer/<name>.c says what our code makes of an input, for a script of tests/integration that compares it with another's.

$(B)/peer/%: $(B)/obj/tests/peer/%.o $(ROOMS:%=$(B)/lib/%.a)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(call archives,$(ROOMS)) $(call libs,$(ROOMS))

# `make bench` runs them all, some tens of minutes; `make bench-ingest` one of them.
BENCHES := ingest train quality recommend eval store listen

bench: bench-kernels $(BENCHES:%=bench-%)
$(BENCHES:%=bench-%): bench-%: all
	tests/bench/$*
bench-kernels: $(B)/bench/kernels
	$<

# tests/soak: what takes too long for the check.
soak: all
	tests/soak/store
	tests/soak/serve

# -- installing and the rest ---------------------------------------------------------------------

BINDIR  ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec
MANDIR  ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share
BASHDIR  = $(DATADIR)/bash-completion/completions
ZSHDIR   = $(DATADIR)/zsh/site-functions
FISHDIR  = $(DATADIR)/fish/vendor_completions.d
SQLDIR   = $(DATADIR)/rec/migrations

$(B)/completion/%.bash $(B)/completion/%.zsh $(B)/completion/%.fish &: $(B)/bin/%
	@mkdir -p $(@D)
	for sh in bash zsh fish; do $< --completion $$sh >$(B)/completion/$*.$$sh || exit 1; done

completion: $(TOOLS:%=$(B)/completion/%.bash)

PAGES := $(wildcard man/*.[1-9])
# The pipelines, and the sample that they run on when nothing else is asked for.
PIPELINES := $(shell find pipelines data/sample \( -path pipelines/build -o -name __pycache__ \) -prune -o -type f -print)

install: all completion
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR)/rec $(foreach s,1 5 7,$(DESTDIR)$(MANDIR)/man$(s)) \
	    $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR) $(DESTDIR)$(SQLDIR)
	install -m 644 $(MIGRATIONS) $(DESTDIR)$(SQLDIR)
	install -m 755 $(BINS) $(DESTDIR)$(BINDIR)
	install -m 755 $(HELPER_BINS) $(DESTDIR)$(LIBEXECDIR)/rec
	for p in $(PAGES); do install -m 644 $$p $(DESTDIR)$(MANDIR)/man$${p##*.}/ || exit 1; done
	for f in $(PIPELINES); do install -D -m "$$(stat -c %a $$f)" $$f $(DESTDIR)$(DATADIR)/rec/$$f || exit 1; done
	for t in $(TOOLS); do \
	    install -m 644 $(B)/completion/$$t.bash $(DESTDIR)$(BASHDIR)/$$t && \
	    install -m 644 $(B)/completion/$$t.zsh $(DESTDIR)$(ZSHDIR)/_$$t && \
	    install -m 644 $(B)/completion/$$t.fish $(DESTDIR)$(FISHDIR)/$$t.fish || exit 1; done

uninstall:
	rm -f $(foreach t,$(TOOLS),$(DESTDIR)$(BINDIR)/$(t) $(DESTDIR)$(BASHDIR)/$(t) $(DESTDIR)$(ZSHDIR)/_$(t) \
	    $(DESTDIR)$(FISHDIR)/$(t).fish)
	for p in $(notdir $(PAGES)); do rm -f $(DESTDIR)$(MANDIR)/man$${p##*.}/$$p; done
	rm -f $(patsubst data/migrations/%,$(DESTDIR)$(SQLDIR)/%,$(MIGRATIONS))
	rm -f $(HELPERS:%=$(DESTDIR)$(LIBEXECDIR)/rec/%) $(PIPELINES:%=$(DESTDIR)$(DATADIR)/rec/%)
	for d in $(sort $(dir $(PIPELINES))); do rmdir -p --ignore-fail-on-non-empty $(DESTDIR)$(DATADIR)/rec/$$d 2>/dev/null || :; done
	rmdir $(DESTDIR)$(SQLDIR) $(DESTDIR)$(DATADIR)/rec $(DESTDIR)$(LIBEXECDIR)/rec 2>/dev/null || :

# What is committed, and nothing else.
dist:
	@mkdir -p $(B)
	git archive --format=tar.gz --prefix=rec-$(VERSION)/ -o $(B)/rec-$(VERSION).tar.gz HEAD

clean:
	rm -rf $(B)

.PHONY: all soak lint lints unit unit-programs fuzz fuzz-regress completion install uninstall dist clean FORCE

-include $(shell [ -d $(B)/obj ] && find $(B)/obj $(wildcard $(B)/fuzz/obj) -name '*.d')
