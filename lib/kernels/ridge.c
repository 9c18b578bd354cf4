/* SPDX-License-Identifier: MIT */
/* Least squares for one row. */
#include <rec/kernels.h>

#include <math.h>
#include <string.h>

size_t rec_ridge_ld(size_t f)
{
	return (f + 15) / 16 * 16;
}

size_t rec_ridge_normal_scratch(size_t f)
{
	return f * sizeof(float) + 64;
}

static const float *row(const struct rec_ridge_rows *r, size_t j)
{
	return r->v + (size_t)r->idx[j] * r->ld;
}

void rec_ridge_normal(float *a, float *b, const struct rec_ridge_rows *r, const float *base, size_t base_ld,
                      const float *diag, void *scratch)
{
	size_t f = r->f, ld = rec_ridge_ld(f);
	(void)scratch;
	memset(a, 0, f * ld * sizeof(float));
	if (b)
		memset(b, 0, f * sizeof(float));
	for (size_t i = 0; i < f; i++) {
		if (base)
			memcpy(a + i * ld + i, base + i * base_ld + i, (f - i) * sizeof(float));
		a[i * ld + i] += diag ? diag[i] : 0;
	}
	for (size_t j = 0; j < r->n; j++) {
		const float *v = row(r, j);
		if (b && r->c)
			rec_kernels_axpy(b, r->c[j], v, f);
		for (size_t i = 0; i < f; i++)
			rec_kernels_axpy(a + i * ld + i, (r->w ? r->w[j] : 1) * v[i], v + i, f - i);
	}
}

int rec_ridge_spd(float *a, float *b, size_t f)
{
	size_t ld = rec_ridge_ld(f);
	for (size_t k = 0; k < f; k++) {
		float pivot = a[k * ld + k];
		if (!(pivot > 0))
			return -1;
		float inv = 1 / sqrtf(pivot);
		for (size_t i = k; i < f; i++)
			a[k * ld + i] *= inv;
		b[k] *= inv;
		rec_kernels_axpy(b + k + 1, -b[k], a + k * ld + k + 1, f - k - 1);
		for (size_t i = k + 1; i < f; i++)
			rec_kernels_axpy(a + i * ld + i, -a[k * ld + i], a + k * ld + i, f - i);
	}
	for (size_t k = f; k-- > 0;)
		b[k] = (b[k] - rec_kernels_dot(a + k * ld + k + 1, b + k + 1, f - k - 1)) / a[k * ld + k];
	return 0;
}

size_t rec_ridge_solve_scratch(size_t f)
{
	return f * rec_ridge_ld(f) * sizeof(float);
}

int rec_ridge_solve(float *x, const struct rec_ridge_rows *r, const float *d, enum rec_ridge_form form,
                    void *scratch)
{
	(void)form;
	rec_ridge_normal(scratch, x, r, NULL, 0, d, NULL);
	return rec_ridge_spd(scratch, x, r->f);
}

void rec_ridge_apply(float *out, const struct rec_ridge_rows *r, const float *d, const float *p)
{
	for (size_t i = 0; i < r->f; i++)
		out[i] = d[i] * p[i];
	for (size_t j = 0; j < r->n; j++)
		rec_kernels_axpy(out, (r->w ? r->w[j] : 1) * rec_kernels_dot(row(r, j), p, r->f), row(r, j), r->f);
}

size_t rec_ridge_cg_scratch(size_t f)
{
	return 4 * (f + 16) * sizeof(float);
}

void rec_ridge_cg(float *x, const struct rec_ridge_rows *r, const float *d, int steps, int jacobi, void *scratch)
{
	size_t f = r->f;
	float *res = scratch, *p = res + f, *ap = p + f, *m = ap + f, rz = 0;

	for (size_t i = 0; i < f; i++)
		m[i] = jacobi ? d[i] : 1, res[i] = 0;
	for (size_t j = 0; j < r->n; j++) {
		const float *v = row(r, j);
		rec_kernels_axpy(res, r->c ? r->c[j] : 0, v, f);
		for (size_t i = 0; jacobi && i < f; i++)
			m[i] += (r->w ? r->w[j] : 1) * v[i] * v[i];
	}
	rec_ridge_apply(ap, r, d, x);
	for (size_t i = 0; i < f; i++) {
		res[i] -= ap[i];
		p[i] = res[i] / m[i];
		rz += res[i] * p[i];
	}
	for (int s = 0; s < steps && rz > 0; s++) {
		rec_ridge_apply(ap, r, d, p);
		float step = rz / rec_kernels_dot(p, ap, f), old = rz;
		rz = 0;
		for (size_t i = 0; i < f; i++) {
			x[i] += step * p[i];
			res[i] -= step * ap[i];
			rz += res[i] * res[i] / m[i];
		}
		for (size_t i = 0; i < f; i++)
			p[i] = res[i] / m[i] + rz / old * p[i];
	}
}
