/** Where a watch's bytes go: an answer's body, or a WebSocket. */
export interface WatchSink {
  /** Returns false when it accepts no more until it has drained. */
  write(bytes: Buffer): boolean;
  end(): void;
  onDrain(resume: () => void): void;
  offDrain(resume: () => void): void;
}

/** Bytes that a sink is given at a time. */
const PART_BYTES = 64 * 1024;

/**
 * Returns a sink that gives another large bytes part by part: a connection copies, as it encrypts,
 * what it is given, and thousands of watches share one large event.
 */
export function inParts(sink: WatchSink): WatchSink {
  let rest: Buffer = Buffer.alloc(0);
  const give = (): boolean => {
    while (rest.length > PART_BYTES) {
      const part = rest.subarray(0, PART_BYTES);
      rest = rest.subarray(PART_BYTES);
      if (!sink.write(part)) return false;
    }
    const last = rest;
    rest = Buffer.alloc(0);
    return sink.write(last);
  };
  const listeners = new Map<() => void, () => void>();
  return {
    write(bytes) {
      rest = bytes;
      return give();
    },
    end() {
      if (rest.length > 0) sink.write(rest);
      sink.end();
    },
    onDrain(resume) {
      const drained = () => {
        if (rest.length === 0 || give()) resume();
      };
      listeners.set(resume, drained);
      sink.onDrain(drained);
    },
    offDrain(resume) {
      const drained = listeners.get(resume);
      if (drained) sink.offDrain(drained);
    },
  };
}
