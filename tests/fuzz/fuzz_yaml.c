/* SPDX-License-Identifier: MIT
 *
 * Settings of any bytes are refused with one line, or every path of them is there once and can be found.
 */
#include <rec/format.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rec_yaml yaml;
    struct rec_err err = {0};
    if (rec_yaml_parse(&yaml, "fuzz", (const char *)data, size, &err) < 0) {
        assert(strncmp(err.text, "fuzz:", 5) == 0 && strchr(err.text, '\n') == NULL);
        return 0;
    }
    for (size_t i = 0; i < yaml.n && i < 100; i++) {
        assert(rec_yaml_find(&yaml, yaml.setting[i].path) == &yaml.setting[i]);
        assert(yaml.setting[i].line >= 1);
    }
    rec_yaml_clear(&yaml);
    return 0;
}
