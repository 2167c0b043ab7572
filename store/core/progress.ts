import { unreachable } from "@raft2kube/std/assert.ts";
import { Inflights } from "./inflights.ts";

/**
 * probe: one append at a time until the follower's position is known. replicate: a stream of
 * appends ahead of the answers. snapshot: none, until the follower has the snapshot.
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

/** The leader's view of one follower's log. */
export class Progress {
  /** The last entry known equal to the leader's. */
  match = 0;
  /** The next entry to send. */
  next: number;
  state: ProgressState = "probe";
  /** Index of the snapshot under way, in the state `snapshot`. */
  pendingSnapshot = 0;
  /** Whether the follower answered since the last check of the quorum. */
  recentActive = false;
  /** The window is spent: nothing more until an answer or a heartbeat's answer. */
  paused = false;
  learner: boolean;
  readonly inflights: Inflights;

  constructor(next: number, learner: boolean, inflights: Inflights) {
    this.next = next;
    this.learner = learner;
    this.inflights = inflights;
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.paused = false;
    this.pendingSnapshot = 0;
    this.inflights.reset();
  }

  becomeProbe(): void {
    const pending = this.state === "snapshot" ? this.pendingSnapshot : 0;
    const after = Math.max(this.match, pending);
    this.#enter("probe");
    this.next = after + 1;
  }

  becomeReplicate(): void {
    this.#enter("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
  }

  /** Whether no append with entries may be sent now. */
  get isPaused(): boolean {
    switch (this.state) {
      case "probe":
      case "replicate":
        return this.paused;
      case "snapshot":
        return true;
      default:
        return unreachable(this.state, "progress state");
    }
  }

  /** An append of `count` entries has been handed to the network. */
  sent(count: number, bytes: number): void {
    if (this.state === "replicate") {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      this.paused = this.inflights.full;
    } else if (count > 0) {
      this.paused = true;
    }
  }

  /** The follower has acknowledged `index`: whether that is news. */
  acknowledged(index: number): boolean {
    // lab:04 begin acknowledged
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.paused = false;
    return true;
    // lab:04 end
  }

  /**
   * The follower rejected an append after `rejected`: steps `next` back, to `hint` + 1 at most.
   * Returns false when the answer is outdated.
   */
  rejected(rejected: number, hint: number): boolean {
    // lab:04 begin rejected
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.paused = false;
    return true;
    // lab:04 end
  }
}
