#include "filter/filter.h"

#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

static int
refuse(const char *error, int status)
{
	fprintf(stderr, "cspcheck: %s\n", error);
	return status == EX_NOINPUT ? EX_DATAERR : status;
}

int
filter_open(struct filter *f, const char *suppressions, const char *baseline)
{
	char today[11];
	time_t now = time(NULL);
	struct tm tm;
	int status = 0;

	*f = (struct filter){ 0 };
	obstack_init(&f->mem);
	strftime(today, sizeof(today), "%Y-%m-%d", localtime_r(&now, &tm));
	if (!suppressions && access(FILTER_SUPPRESSIONS_DEFAULT, F_OK) == 0)
		suppressions = FILTER_SUPPRESSIONS_DEFAULT;
	if (suppressions && (status = suppress_read(&f->suppressions, suppressions, today, &f->mem)) != 0)
		return refuse(f->suppressions.error, status);
	if (!baseline && access(BASELINE_DEFAULT, F_OK) == 0)
		baseline = BASELINE_DEFAULT;
	if (baseline && (status = baseline_read(&f->baseline, baseline, &f->mem)) != 0)
		return refuse(f->baseline.error, status);
	return 0;
}

void
filter_close(struct filter *f)
{
	baseline_finish(&f->baseline);
	obstack_free(&f->mem, NULL);
}

enum standing
filter_judge(struct filter *f, const struct finding *finding, const struct suppression **by)
{
	*by = suppress_find(&f->suppressions, finding);
	return *by ? STANDING_SUPPRESSED : baseline_has(&f->baseline, finding->fingerprint) ? STANDING_KNOWN : STANDING_NEW;
}

const char *
filter_word(enum standing s)
{
	static const char *const words[] = { "new", "known", "suppressed" };
	return words[s];
}
