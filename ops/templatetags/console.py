"""The console's looks, for templates."""

from django import template

from ops.console import batch_looks, looks

register = template.Library()
register.filter("approval_badge", looks.approval_badge)
register.filter("delivery_badge", looks.delivery_badge)
register.filter("job_badge", looks.job_badge)
register.filter("job_bar", batch_looks.job_bar)
register.filter("webhook_badge", looks.webhook_badge)
register.filter("state_badge", looks.state_badge)
register.filter("file_size", looks.size)
register.filter("short_count", looks.count)
register.filter("duration", looks.duration)
register.filter("remaining", looks.remaining)
register.filter("whole", looks.whole)
register.filter("percent", looks.percent)
register.filter("rate", looks.rate)
register.filter("difference", looks.difference)
register.filter("rounded", looks.rounded)
