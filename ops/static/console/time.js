// How long something will take, in words.
import { fill } from "./hub.js";

/** 12 s left, 3 min left */
export function time(seconds, texts) {
  if (seconds < 60) return fill(texts.secondsLeft, { count: Math.ceil(seconds) });
  if (seconds < 5400) return fill(texts.minutesLeft, { count: Math.ceil(seconds / 60) });
  return fill(texts.hoursLeft, { count: Math.ceil(seconds / 3600) });
}
