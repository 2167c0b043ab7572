import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unreachable } from "@raft2kube/std/assert.ts";
import { describeMembership } from "../../testing/raft/describe.ts";
import { expect, test } from "vitest";
import { Inflights } from "./inflights.ts";
import { jointIndex, jointVote } from "./joint.ts";
import { MembershipError, changeMembership, initialMembership } from "./membership.ts";
import { Progress } from "./progress.ts";
import type { MemberId, Membership, MembershipStep } from "./types.ts";

/**
 * Tables of requests, each above its answer, as etcd's raft keeps them for quorums and
 * configuration changes. `R2K_REWRITE=1` writes the present answers.
 */
const FOLDER = join(import.meta.dirname, "testdata", "tables");
const REWRITE = process.env["R2K_REWRITE"] === "1";
const ACTIONS: Readonly<Record<string, MembershipStep["action"]>> = {
  "+": "add-voter",
  "~": "add-learner",
  "-": "remove",
};

/** The arguments of a request: `cfg=(1,2) cfgj=(3)` gives lists by name. */
function listsOf(request: string): Map<string, string[]> {
  const found = request.matchAll(/(\w+)=\(([^)]*)\)/g);
  return new Map([...found].map(([, name, list]) => [name!, list!.split(",").filter(Boolean)]));
}

/** Answers the requests of one table, in order. */
class Table {
  #membership: Membership = initialMembership([]);
  #progress = new Progress(1, false, new Inflights(2, 1_000));

  answer(request: string): string {
    const [verb, ...words] = request.split(" ");
    const lists = listsOf(request);
    switch (verb) {
      case "committed":
        return `${this.#committed(lists)}`;
      case "vote":
        return this.#vote(lists);
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

  /** Members of `cfg`, then of `cfgj`, have the indexes of `idx`, in that order. */
  #committed(lists: Map<string, string[]>): number | "unbounded" {
    const { sets, members } = setsOf(lists);
    const known = lists.get("idx") ?? [];
    const match = new Map(members.map((id, i) => [id, Number(known[i]?.replace("_", "0"))]));
    const index = jointIndex(sets, (id) => match.get(id) ?? 0);
    return index === Number.MAX_SAFE_INTEGER ? "unbounded" : index;
  }

  #vote(lists: Map<string, string[]>): string {
    const { sets, members } = setsOf(lists);
    const given = lists.get("votes") ?? [];
    const votes = members.flatMap((id, i): [MemberId, boolean][] =>
      given[i] === "_" || given[i] === undefined ? [] : [[id, given[i] === "y"]],
    );
    return jointVote(sets, new Map(votes));
  }

  #change(verb: "auto" | "explicit" | "leave", words: string[]): string {
    const steps = words.map((word) => {
      return { action: ACTIONS[word[0]!]!, member: BigInt(word.slice(1)) };
    });
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

function setsOf(lists: Map<string, string[]>) {
  const voters = (lists.get("cfg") ?? []).map(BigInt);
  const outgoing = (lists.get("cfgj") ?? []).map(BigInt);
  const members = [...new Set([...voters, ...outgoing])];
  return { sets: { voters: new Set(voters), outgoing: new Set(outgoing) }, members };
}

/** Returns the table with the present answers below each request. */
function played(text: string): string {
  const table = new Table();
  const blocks = text.trimEnd().split("\n\n");
  const answered = blocks.map((block) => {
    const [head = ""] = block.split("\n----\n");
    const lines = head.split("\n");
    const request = lines.at(-1)!;
    return request.startsWith("#") ? block : `${head}\n----\n${table.answer(request)}`;
  });
  return `${answered.join("\n\n")}\n`;
}

test.each(readdirSync(FOLDER))("%s", (name) => {
  const path = join(FOLDER, name);
  const text = readFileSync(path, "utf8");
  if (REWRITE) writeFileSync(path, played(text));
  else expect(played(text)).toBe(text);
});
