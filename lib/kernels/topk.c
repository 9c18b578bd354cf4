/* SPDX-License-Identifier: MIT */
/* The k best items. */
#include <rec/kernels.h>

#include <math.h>
#include <string.h>

static int before(float s, int32_t item, const struct rec_topk_hit *h)
{
	return s > h->score || (s == h->score && item < h->item);
}

static size_t insert(struct rec_topk_hit *out, size_t count, size_t k, float s, int32_t item)
{
	if (!(s > -INFINITY) || k == 0 || (count == k && !before(s, item, &out[k - 1])))
		return count;
	size_t i = count < k ? count++ : k - 1;
	for (; i > 0 && before(s, item, &out[i - 1]); i--)
		out[i] = out[i - 1];
	out[i] = (struct rec_topk_hit){item, s};
	return count;
}

size_t rec_topk_scan(struct rec_topk_hit *out, size_t k, const float *score, size_t n,
                     const struct rec_topk_seen *seen, const uint8_t *allowed)
{
	size_t count = 0, next = 0;
	for (size_t j = 0; j < n; j++) {
		while (seen && next < seen->n && seen->item[next] < (int32_t)j)
			next++;
		if ((seen && next < seen->n && seen->item[next] == (int32_t)j) || (allowed && !allowed[j]))
			continue;
		count = insert(out, count, k, score[j], (int32_t)j);
	}
	return count;
}

size_t rec_topk_panels_size(size_t n, size_t f)
{
	size_t cells;
	if (__builtin_mul_overflow(n + 1, f + 1, &cells) || __builtin_mul_overflow(cells, sizeof(float), &cells))
		return 0;
	return cells;
}

void rec_topk_pack(struct rec_topk_panels *p, void *mem, const float *v, size_t n, size_t f, size_t ld,
                   const float *bias)
{
	*p = (struct rec_topk_panels){.data = mem, .n = n, .f = f};
	for (size_t j = 0; j < n; j++) {
		p->data[j * (f + 1)] = bias ? bias[j] : 0;
		memcpy(p->data + j * (f + 1) + 1, v + j * ld, f * sizeof(float));
	}
}

size_t rec_topk_tile_scratch(size_t m, size_t f)
{
	return (m + f + 64) * sizeof(float);
}

void rec_topk_score(float *c, size_t ldc, const struct rec_topk_panels *p, size_t from, size_t to,
                    const float *u, size_t ldu, size_t m, void *scratch)
{
	(void)scratch;
	for (size_t i = 0; i < m; i++)
		for (size_t j = from; j < to; j++) {
			const float *v = p->data + j * (p->f + 1);
			c[i * ldc + j - from] = v[0] + rec_kernels_dot(u + i * ldu, v + 1, p->f);
		}
}

void rec_topk_tile(struct rec_topk_hit *out, size_t *count, size_t k, const struct rec_topk_panels *p,
                   const float *u, size_t ldu, size_t m, const struct rec_topk_seen *seen, const uint8_t *allowed,
                   void *scratch)
{
	for (size_t i = 0; i < m; i++) {
		size_t next = 0;
		count[i] = 0;
		for (size_t j = 0; j < p->n; j++) {
			float s;
			while (seen && next < seen[i].n && seen[i].item[next] < (int32_t)j)
				next++;
			if ((seen && next < seen[i].n && seen[i].item[next] == (int32_t)j) || (allowed && !allowed[j]))
				continue;
			rec_topk_score(&s, 1, p, j, j + 1, u + i * ldu, ldu, 1, scratch);
			count[i] = insert(out + i * k, count[i], k, s, (int32_t)j);
		}
	}
}
