import packet from "dns-packet";
import { expect, test } from "vitest";
import { ANSWERS_READ_BYTES_MAX, ANSWERS_READ_MAX } from "../limits.ts";
import { readAnswers, readQuery } from "./message.ts";

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

test("of another server's answers those within the first bytes are read", () => {
  const text = (data: string[]) => ({ name: "a.example", type: "TXT" as const, ttl: 5, data });
  const messageOf = (data: string[][]) =>
    packet.encode({
      id: 1,
      type: "response",
      flags: 0,
      questions: [{ name: "a.example", type: "TXT" }],
      answers: data.map(text),
      authorities: [],
      additionals: [],
    });
  const large = Array<string>(ANSWERS_READ_BYTES_MAX).fill("");
  expect(readAnswers(messageOf([["x"], ["y"], large, ["z"]]))).toHaveLength(2);
  expect(readAnswers(messageOf([large]))).toBeUndefined();
  expect(readAnswers(messageOf([]))).toEqual([]);
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

test("of a query's additional records only the fixed fields of EDNS are read", () => {
  const question = { name: "a.example", type: "A" as const };
  const query = packet.encode({
    id: 1,
    type: "query",
    flags: 0,
    questions: [question],
    answers: [],
    authorities: [],
    additionals: [],
  });
  query.writeUInt16BE(2, 10);
  // An NSEC record and an option of EDNS, whose lengths inside are past their ends.
  const nsec = Buffer.from([0, 0, 47, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 255]);
  const opt = Buffer.from([0, 0, 41, 0x10, 0, 0, 1, 0x80, 0, 0, 4, 0, 10, 255, 255]);
  const read = readQuery(Buffer.concat([query, nsec, opt]));
  const edns = { udpPayloadSize: 4_096, dnssecOk: true, isLaterEdns: true };
  expect(read).toMatchObject({ question, ...edns });
});
