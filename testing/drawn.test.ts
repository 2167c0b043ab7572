import { expect, it, vi } from "vitest";
import { drawn, inTurn } from "./drawn.ts";

const PAIR = ["a", "b"];

it("lists of one length are drawn independently, by their names", () => {
  const names = Array.from({ length: 40 }, (_, n) => `list ${n}`);
  const choices = new Set(names.map((name) => drawn(name, PAIR, 1).join()));
  expect([...choices].sort()).toEqual(PAIR);
  expect(drawn("list 1", PAIR, 1)).toEqual(drawn("list 1", PAIR, 1));
});

it("a turn falls to what can run here, to any where nothing can, to all with R2K_TURNS=all", () => {
  vi.stubEnv("R2K_TURNS", "");
  const turns = (isHere: (one: string) => boolean) =>
    new Set(Array.from({ length: 40 }, (_, n) => inTurn(`list ${n}`, PAIR, 1, isHere).join()));
  expect(turns((one) => one === "b")).toEqual(new Set(["b"]));
  expect(turns(() => false)).toEqual(new Set(PAIR));
  vi.stubEnv("R2K_TURNS", "all");
  expect(turns(() => false)).toEqual(new Set(["a,b"]));
  vi.unstubAllEnvs();
});
