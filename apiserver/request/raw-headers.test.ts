import { expect, it } from "vitest";
import type { Incoming } from "./context.ts";
import { extrasOf } from "./raw-headers.ts";

const request = (...rawHeaders: string[]) => ({ rawHeaders }) as unknown as Incoming;

it("the values of one key under two prefixes are all of them, by the order of the prefixes", () => {
  const sent = request("B-scopes", "3", "A-Scopes", "1", "a-scopes", "2");
  expect(extrasOf(sent, "a-", "b-")).toEqual({ scopes: ["1", "2", "3"] });
});

it("an escaped key is bytes of UTF-8; one with an invalid escape is kept", () => {
  const sent = request("x-%e2%82%ac", "1", "x-%2", "2", "x-%ff%41", "3");
  expect(extrasOf(sent, "x-")).toEqual({ "€": ["1"], "%2": ["2"], "\ufffdA": ["3"] });
});
