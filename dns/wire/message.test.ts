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

test("another server's answer whose records cannot be read is none", () => {
  const message = packet.encode({
    id: 1,
    type: "response",
    flags: 0,
    questions: [],
    authorities: [],
    additionals: [],
    answers: [{ name: "a.example", type: "TXT", ttl: 5, data: ["x"] }],
  });
  expect(readAnswers(message)).toHaveLength(1);
  // The length of the text, which ends the message, is past its end now.
  message[message.length - 2] = 0xff;
  expect(readAnswers(message)).toBeUndefined();
});
