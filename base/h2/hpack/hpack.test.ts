import { describe, expect, test } from "vitest";
import { HpackDecoder } from "./decoder.ts";
import { HpackEncoder } from "./encoder.ts";
import type { HeaderField } from "./static-table.ts";

const decoder = () => new HpackDecoder((fields) => fields);
const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

const FIRST: HeaderField[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];

describe("RFC 7541, appendix C", () => {
  test.each([
    ["C.3", ["828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865"]],
    ["C.4, with Huffman codes", ["828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf"]],
  ])("%s: requests on one connection", (_name, [first, second]) => {
    const decode = decoder();
    expect(decode.decode(hex(first!))).toEqual(FIRST);
    expect(decode.decode(hex(second!))).toEqual([...FIRST, ["cache-control", "no-cache"]]);
  });

  test("C.6: a table of 256 bytes forgets the oldest", () => {
    const decode = decoder();
    decode.decode(hex("3fe101")); // A table size update to 256.
    const first = hex(
      "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff" +
        "6e919d29ad171863c78f0b97c8e9ae82ae43d3",
    );
    const expected: HeaderField[] = [
      [":status", "302"],
      ["cache-control", "private"],
      ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
      ["location", "https://www.example.com"],
    ];
    expect(decode.decode(first)).toEqual(expected);
    expect(decode.decode(hex("4883640effc1c0bf"))).toEqual([
      [":status", "307"],
      ...expected.slice(1),
    ]);
  });
});

test("the same bytes mean something else once the table has moved on", () => {
  const decode = decoder();
  decode.decode(hex("40 01 61 01 31")); // Adds a: 1.
  const index62 = hex("be");
  expect(decode.decode(index62)).toEqual([["a", "1"]]);
  expect(decode.decode(index62)).toEqual([["a", "1"]]);
  decode.decode(hex("40 01 62 01 32")); // Adds b: 2.
  expect(decode.decode(index62)).toEqual([["b", "2"]]);
});

test.each([
  ["an index that nothing has", "ff00"],
  ["index 0", "80"],
  ["a number without end", "7f ff ff ff ff ff ff 01"],
  ["a string that is cut short", "40 05 61 62"],
  ["a table larger than was agreed", "3f e2 1f"],
  ["a table size update behind a field", "82 20"],
  ["a Huffman code padded with zeros", "40 81 18 00"],
  ["the end-of-string symbol", "40 84 ff ff ff ff 00"],
])("%s is refused", (_name, block) => {
  expect(() => decoder().decode(hex(block))).toThrow(
    expect.objectContaining({ reason: "COMPRESSION_ERROR" }),
  );
});

test("a list past the limit is not kept, and the table follows all the same", () => {
  const decode = decoder();
  const large = "x".repeat(4_000);
  const add = Buffer.concat([hex("40 01 61 7f a1 1e"), Buffer.from(large)]);
  expect(decode.decode(add)).toEqual([["a", large]]);
  expect(decode.decode(Buffer.alloc(60_000, 0xbe))).toBeUndefined();
  expect(decode.decode(hex("be"))).toEqual([["a", large]]);
});

describe("the encoder", () => {
  const constant: HeaderField[] = [
    [":status", "200"],
    ["content-type", "application/grpc"],
  ];
  const trailers: HeaderField[] = [["grpc-status", "0"]];
  const once: HeaderField[] = [
    ["grpc-status", "5"],
    ["grpc-message", `a rather long text ${"y".repeat(300)}`],
  ];

  test("says constant lists in a byte per field from the second time on", () => {
    const encode = new HpackEncoder();
    const decode = decoder();
    for (let i = 0; i < 4; i++) {
      for (const list of [constant, trailers]) {
        const block = encode.constant(list);
        expect(decode.decode(block)).toEqual(list);
        if (i > 0) expect(block).toHaveLength(list.length);
      }
      expect(decode.decode(encode.encode(once))).toEqual(once);
    }
  });

  test("does without a table for a peer that wants a small one, and says so first", () => {
    const encode = new HpackEncoder();
    encode.constant(trailers);
    encode.setTableSize(100);
    const block = encode.constant(constant);
    expect(block[0]).toBe(0x20);
    expect(decoder().decode(block)).toEqual(constant);
    expect(encode.constant(constant)[0]).toBe(0x88);
  });
});
