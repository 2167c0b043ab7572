import { turn } from "@raft2kube/std/slices.ts";
import type { Backend, Losses, Sink } from "./sink.ts";

/**
 * Writes each event before its request goes on. Events of one turn of the event loop, and those
 * that come while others are written, are written together: a write costs more than ten events.
 */
export function blocking(sink: Sink, losses: Losses): Backend {
  let next: { readonly events: string[]; readonly written: Promise<void> } | undefined;
  let last: Promise<void> = Promise.resolve();
  const write = async (events: readonly string[]): Promise<void> => {
    next = undefined;
    try {
      await sink.write(events);
      losses.written();
    } catch (thrown) {
      losses.lost(events.length, thrown);
      throw thrown;
    }
  };
  return {
    async take(event) {
      if (next === undefined) {
        const events: string[] = [];
        next = { events, written: last.then(turn).then(() => write(events)) };
        last = next.written.catch(() => undefined);
      }
      next.events.push(event);
      await next.written;
    },
    async close() {
      await last;
      await sink.close();
    },
  };
}
