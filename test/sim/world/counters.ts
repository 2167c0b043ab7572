/** How often each thing happened: what a run prints at its end. */
export class Counters {
  readonly counts = new Map<string, number>();

  note(name: string, times = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + times);
  }

  get(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  add(other: Counters): void {
    for (const [name, times] of other.counts) this.note(name, times);
  }

  /** The names that never happened. */
  missing(names: readonly string[]): string[] {
    return names.filter((name) => this.get(name) === 0);
  }

  /** One line per name, the figures under each other. */
  lines(names: Iterable<string> = [...this.counts.keys()].sort()): string[] {
    return [...names].map((name) => `${String(this.get(name)).padStart(10)}  ${name}`);
  }
}
