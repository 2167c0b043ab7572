import type { Random } from "@raft2kube/std/random.ts";

/** The outcome of an input. */
export type Fate = "taken" | "refused";

/** Something that reads bytes which others, or a disk, may have changed. */
export interface Target {
  readonly name: string;
  /** Inputs that are right, to start with. */
  corpus(): Promise<Buffer[]>;
  /** Puts checksums and the like right again, so that damage reaches what follows them. */
  seal?(bytes: Buffer, random: Random): Buffer;
  /**
   * Reads an input. Resolves when it was taken, or refused with one of the errors that it may be
   * refused with; rejects with anything else, and with what does not hold of an input it took.
   */
  read(bytes: Buffer): Promise<Fate>;
  /** Removes what it made; it may be asked for more afterwards. */
  close?(): void;
}
