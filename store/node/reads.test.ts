import { expect, test } from "vitest";
import { PENDING_READS_MAX } from "../limits.ts";
import { Reads } from "./reads.ts";

test("reads are bounded in whatever stage they are, and make room as they are answered", () => {
  const reads = new Reads(1);
  const refused: unknown[] = [];
  const add = () => reads.add(1_000, (error) => error && refused.push(error.message));
  for (let i = 0; i < PENDING_READS_MAX; i++) {
    add();
    // One attempt per read: unanswered, confirmed, or waiting for the next.
    const id = i % 3 === 0 ? undefined : reads.openAttempt(0);
    if (id !== undefined && i % 3 === 1) reads.confirmed(id, 5);
  }
  expect(refused).toEqual([]);
  add();
  expect(refused).toEqual(["etcdserver: too many requests"]);
  reads.applied(5);
  add();
  expect(refused).toHaveLength(1);
});

test("a read that was confirmed and waits for the state machine has a deadline too", () => {
  const reads = new Reads(1);
  const ended: (string | undefined)[] = [];
  reads.add(1_000, (error) => ended.push(error?.message));
  reads.confirmed(reads.openAttempt(0), 5);
  reads.add(2_000, (error) => ended.push(error?.message));
  reads.confirmed(reads.openAttempt(0), 5);
  reads.expire(1_000);
  expect(ended).toEqual(["etcdserver: request timed out"]);
  reads.applied(5);
  expect(ended).toEqual(["etcdserver: request timed out", undefined]);
});
