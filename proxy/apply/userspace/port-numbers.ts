import { CodedError, isErrno } from "@raft2kube/std/errors.ts";
import { LISTENERS_PART, UDP_CLIENTS_PART } from "../../limits.ts";
import type { ProxyPort } from "./proxy-port.ts";

/** The part of a namespace's numbers for connections that the mode may take. */
export interface NumbersPart {
  /**
   * Numbers for listeners, in the order in which they are to be taken: every other one, first those
   * that the kernel gives to outgoing connections last.
   */
  listeners: readonly number[];
  /** How many sockets may be connected to endpoints of UDP. */
  udpClients: number;
}

/**
 * Returns the mode's part of the numbers that the kernel assigns. `range` and `reserved`:
 * net.ipv4.ip_local_port_range, ip_local_reserved_ports.
 */
export function portNumbers(range: string, reserved: string): NumbersPart {
  const [low = 0, high = 0] = range.split(/\s+/).map(Number);
  const kept = reserved
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return { first, last };
    });
  const all = Array.from({ length: high - low + 1 }, (_, i) => high - i).filter(
    (number) => !kept.some(({ first, last }) => first <= number && number <= last),
  );
  const isLate = (number: number) => (number - low) % 2 === 1;
  const ordered = [...all.filter(isLate), ...all.filter((number) => !isLate(number))];
  return {
    listeners: ordered.slice(0, Math.ceil(all.length * LISTENERS_PART)),
    udpClients: Math.ceil(all.length * UDP_CLIENTS_PART),
  };
}

/**
 * Gives each listener a number. Asked for any, the kernel searches one half of the numbers from a
 * random start, and most of them are taken after some thousand listeners. A number is not given
 * again before all others were: clients of the former listener may still send to it.
 */
export class PortNumbers {
  readonly #numbers: readonly number[];
  readonly #used = new Set<number>();
  #next = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  /**
   * Opens a port with a number that is free. `open` rejects with EADDRINUSE if another program has
   * it; the next is tried then, each once.
   */
  async open(open: (number: number) => Promise<ProxyPort>): Promise<ProxyPort> {
    for (let left = this.#numbers.length - this.#used.size; left > 0; left--) {
      const number = this.#take();
      if (number === undefined) break;
      try {
        const port = await open(number);
        return { ...port, close: (now) => this.#close(port, now) };
      } catch (thrown) {
        this.#used.delete(number);
        if (!isErrno(thrown, "EADDRINUSE")) throw thrown;
      }
    }
    throw new CodedError("EADDRINUSE", "no number is left for another proxy port", {
      remedy: "widen net.ipv4.ip_local_port_range, or use another proxy mode",
    });
  }

  #close(port: ProxyPort, now: boolean): void {
    port.close(now);
    this.#used.delete(port.port);
  }

  #take(): number | undefined {
    const count = this.#numbers.length;
    for (let tried = 0; tried < count; tried++) {
      const number = this.#numbers[this.#next++ % count];
      if (number === undefined || this.#used.has(number)) continue;
      this.#used.add(number);
      return number;
    }
    return undefined;
  }
}
