# SPDX-License-Identifier: MIT
# The graph, as make has read it: `make graph` writes WORK/graph.dot and, where Graphviz is, WORK/graph.svg; it prints it as text.

graph: | $(W)
	@$(MAKE) -npq --no-print-directory $(if $(GRAPH),$(GRAPH),all) GRAPHED=yes 2>/dev/null | ./graph '$(W)' '$(TARGETS)' $(W)/graph.dot
	@if command -v dot >/dev/null; then dot -Tsvg $(W)/graph.dot >$(W)/graph.svg.new && mv $(W)/graph.svg.new $(W)/graph.svg && \
	    echo 'Drawn: $(W)/graph.svg'; else echo 'No Graphviz here: dot -Tsvg $(W)/graph.dot draws it elsewhere.'; fi
