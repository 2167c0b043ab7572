import { EVENT_BACKLOG } from "./limits.ts";

/** Event of a container or sandbox, of one of CRI's four types. */
export interface RuntimeEvent {
  kind: "created" | "started" | "stopped" | "deleted";
  /** The container, or the sandbox itself. */
  id: string;
  sandboxId: string;
}

/** Distributes events to readers; a slow reader loses the oldest events only. */
export class EventHub {
  readonly #readers = new Set<Reader>();

  containerEvent(kind: RuntimeEvent["kind"], id: string, sandboxId: string): void {
    for (const reader of this.#readers) reader.push({ kind, id, sandboxId });
  }

  /** Reports both of a sandbox's: it is started when it is made. */
  sandboxStarted(id: string): void {
    this.containerEvent("created", id, id);
    this.containerEvent("started", id, id);
  }

  sandboxStopped(id: string): void {
    this.containerEvent("stopped", id, id);
  }

  sandboxDeleted(id: string): void {
    this.containerEvent("deleted", id, id);
  }

  /** Events from now on, until `signal` aborts. */
  async *read(signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
    const reader = new Reader();
    this.#readers.add(reader);
    const wake = () => reader.wake();
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        const event = reader.take();
        if (event) yield event;
        else await reader.more();
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#readers.delete(reader);
    }
  }
}

class Reader {
  readonly #waiting: RuntimeEvent[] = [];
  #wake: () => void = () => undefined;

  push(event: RuntimeEvent): void {
    this.#waiting.push(event);
    if (this.#waiting.length > EVENT_BACKLOG) this.#waiting.shift();
    this.wake();
  }

  take(): RuntimeEvent | undefined {
    return this.#waiting.shift();
  }

  more(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  wake(): void {
    this.#wake();
  }
}
