import { readdirSync } from "node:fs";
import { join } from "node:path";
import { unreachable } from "@raft2kube/std/assert.ts";
import { test } from "vitest";
import { playGoldenFile } from "../../testing/golden-file.ts";
import { describeMembership } from "../../testing/raft/describe.ts";
import { answerQuorum } from "../../testing/raft/quorum-table.ts";
import { membershipStep } from "../../testing/raft/script.ts";
import { Inflights } from "./inflights.ts";
import { changeMembership, initialMembership, MembershipError } from "./membership.ts";
import { Progress } from "./progress.ts";
import type { Membership } from "./types.ts";

/**
 * Tables of requests, each above its answer, as etcd's raft keeps them for quorums and
 * configuration changes (testing/golden-file.ts says how to record them again).
 */
const FOLDER = join(import.meta.dirname, "testdata", "tables");

/** Answers the requests of one table, in order. */
class Table {
  #membership: Membership = initialMembership([]);
  #progress = new Progress(1, false, new Inflights(2, 1_000));

  answer(request: string): string {
    const [verb, ...words] = request.split(" ");
    switch (verb) {
      case "committed":
      case "vote":
        return answerQuorum(request);
      case "voters":
        this.#membership = initialMembership(words.map(BigInt));
        return describeMembership(this.#membership);
      case "auto":
      case "explicit":
      case "leave":
        return this.#change(verb, words);
      default:
        return this.#follow(request);
    }
  }

  #change(verb: "auto" | "explicit" | "leave", words: string[]): string {
    const steps = words.map(membershipStep);
    const transition = verb === "explicit" ? verb : "auto";
    try {
      const change = { steps, transition, context: Buffer.alloc(0) } as const;
      this.#membership = changeMembership(this.#membership, change);
      return describeMembership(this.#membership);
    } catch (thrown) {
      if (thrown instanceof MembershipError) return `refused: ${thrown.message}`;
      throw thrown;
    }
  }

  /** A leader's view of one follower. */
  #follow(request: string): string {
    const [verb, first = "0", second = "0"] = request.split(" ");
    const [a, b] = [Number(first), Number(second)];
    const progress = this.#progress;
    const verbs: Record<string, () => unknown> = {
      follower: () => {
        this.#progress = new Progress(a, false, new Inflights(2, 1_000));
      },
      send: () => progress.sent(a, a * 10),
      ack: () => progress.acknowledged(a),
      reject: () => progress.rejected(a, b),
      free: () => progress.inflights.freeTo(a),
      probe: () => progress.becomeProbe(),
      replicate: () => progress.becomeReplicate(),
      snapshot: () => progress.becomeSnapshot(a),
    };
    const act = verbs[verb!] ?? (() => unreachable(verb as never, "request"));
    const result = act();
    const { state, match, next, isPaused, inflights } = this.#progress;
    const news = typeof result === "boolean" ? `${result ? "news" : "old"}, ` : "";
    const paused = isPaused ? " paused" : "";
    return `${news}${state} match=${match} next=${next} inflight=${inflights.count}${paused}`;
  }
}

test.each(readdirSync(FOLDER))("%s", (name) => {
  const table = new Table();
  playGoldenFile(join(FOLDER, name), (request) => table.answer(request));
});
