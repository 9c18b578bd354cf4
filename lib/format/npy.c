/* SPDX-License-Identifier: MIT
 *
 * One tensor as a .npy file, version 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
 */
#include <rec/format.h>

#include <inttypes.h>

/* bfloat16 and the numbers of 8 bits and less have no counterpart in numpy. */
static const struct {
    const char *ours, *numpy;
} types[] = {
    {"F32", "<f4"}, {"F64", "<f8"}, {"F16", "<f2"}, {"I8", "|i1"}, {"I16", "<i2"}, {"I32", "<i4"}, {"I64", "<i8"},
    {"U8", "|u1"}, {"U16", "<u2"}, {"U32", "<u4"}, {"U64", "<u8"}, {"BOOL", "|b1"}, {"C64", "<c8"},
};

static const char *numpy_type(const struct rec_tensor *tensor)
{
    for (size_t i = 0; i < REC_LENGTH(types); i++)
        if (strcmp(types[i].ours, tensor->dtype_name) == 0)
            return types[i].numpy;
    return NULL;
}

int rec_npy_write(const struct rec_tensor *tensor, struct rec_out *out, struct rec_err *err)
{
    struct rec_buf head = {0};
    const char *type = numpy_type(tensor);
    int result = -1;
    if (type == NULL || tensor->data == NULL)
        return rec_err_set(err, "tensor %.64s: %s is no type of .npy files", tensor->name, tensor->dtype_name);

    rec_buf_add(&head, "\x93NUMPY\x01\x00\x00\x00", 10);
    rec_buf_addf(&head, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (unsigned i = 0; i < tensor->rank; i++)
        rec_buf_addf(&head, "%" PRIu64 "%s", tensor->shape[i], i + 1 < tensor->rank ? ", " : tensor->rank == 1 ? "," : "");
    rec_buf_adds(&head, "), }");
    while (head.len % 64 != 63 && !head.failed)
        rec_buf_addc(&head, ' ');
    rec_buf_addc(&head, '\n');
    if (head.failed) {
        rec_err_memory(err, out->name);
        goto out;
    }
    head.data[8] = (char)((head.len - 10) & 255);
    head.data[9] = (char)((head.len - 10) >> 8);
    if (rec_out_write(out, head.data, head.len, err) == 0 && rec_out_write(out, tensor->data, tensor->bytes, err) == 0)
        result = 0;
out:
    rec_buf_clear(&head);
    return result;
}
