/* SPDX-License-Identifier: MIT */
/* Which kernels run, and the products of vectors and matrices. */
#include <rec/kernels.h>

#include <string.h>

const char *rec_kernels_name(void)
{
	return "plain";
}

const char *rec_kernels_list(size_t i)
{
	return i ? NULL : "plain";
}

int rec_kernels_use(const char *name)
{
	return name && strcmp(name, "plain") ? -1 : 0;
}

float rec_kernels_dot(const float *a, const float *b, size_t f)
{
	float s = 0;
	for (size_t k = 0; k < f; k++)
		s += a[k] * b[k];
	return s;
}

void rec_kernels_axpy(float *y, float a, const float *x, size_t f)
{
	for (size_t k = 0; k < f; k++)
		y[k] += a * x[k];
}

void rec_kernels_gemv(float *y, const float *a, size_t rows, size_t f, size_t ld, const float *x, const float *bias)
{
	for (size_t i = 0; i < rows; i++)
		y[i] = (bias ? bias[i] : 0) + rec_kernels_dot(a + i * ld, x, f);
}

void rec_kernels_gemv_rows(float *y, const float *a, size_t f, size_t ld, const int32_t *idx, size_t n,
                           const float *x, const float *bias)
{
	for (size_t j = 0; j < n; j++)
		y[j] = (bias ? bias[j] : 0) + rec_kernels_dot(a + (size_t)idx[j] * ld, x, f);
}
