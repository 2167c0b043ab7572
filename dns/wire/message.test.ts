import packet from "dns-packet";
import { expect, test } from "vitest";
import { ANSWERS_READ_MAX } from "../limits.ts";
import { readAnswers } from "./message.ts";

test("of another server's answers the first are read, and no other records", () => {
  const record = { name: "a.example", type: "A" as const, ttl: 5, data: "10.0.0.1" };
  const message = packet.encode({
    id: 1,
    type: "response",
    flags: 0,
    questions: [{ name: "a.example", type: "A" }],
    answers: Array(ANSWERS_READ_MAX + 1).fill(record),
    authorities: [record],
    additionals: [record],
  });
  const before = Buffer.from(message);
  expect(readAnswers(message)).toHaveLength(ANSWERS_READ_MAX);
  expect(message.equals(before)).toBe(true);
});
