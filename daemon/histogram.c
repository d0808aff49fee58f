/* SPDX-License-Identifier: GPL-2.0 */
#include "histogram.h"

uint64_t histogram_count(const uint64_t counts[HISTOGRAM_BUCKETS])
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += counts[i];
	return n;
}

uint64_t histogram_percentile(const uint64_t counts[HISTOGRAM_BUCKETS], uint32_t of_million)
{
	uint64_t n = histogram_count(counts), before = 0, rank;

	/* of so many, in order, the first that is not among the shortest of_million of a million */
	rank = ((unsigned __int128)n * of_million + HISTOGRAM_MILLION - 1) / HISTOGRAM_MILLION;
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		before += counts[i];
		if (before && before >= rank)
			return (histogram_low(i) + histogram_low(i + 1) - 1) / 2;
	}
	return 0;
}

void histogram_growth(const uint64_t now[HISTOGRAM_BUCKETS],
		      const uint64_t before[HISTOGRAM_BUCKETS], uint64_t ret[HISTOGRAM_BUCKETS])
{
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		ret[i] = now[i] > before[i] ? now[i] - before[i] : 0;
}
