import { expect, test } from "vitest";
import { basicCredentials, parseChallenge } from "./registry-auth.ts";

test("a challenge's parameters may be quoted or not", () => {
  const header = 'Bearer realm="https://auth.example/token",service=r.example,scope="a:b:pull"';
  expect(parseChallenge(header)).toEqual({
    scheme: "bearer",
    parameters: { realm: "https://auth.example/token", service: "r.example", scope: "a:b:pull" },
  });
  expect(parseChallenge('Basic realm="x, y"')).toEqual({
    scheme: "basic", parameters: { realm: "x, y" },
  });
  expect(parseChallenge("Negotiate")).toBeUndefined();
  expect(parseChallenge(undefined)).toBeUndefined();
});

test("credentials come from either of CRI's two places", () => {
  expect(basicCredentials({ username: "u", password: "p" })).toBe("dTpw");
  expect(basicCredentials({ auth: "dTpw" })).toBe("dTpw");
  expect(basicCredentials({})).toBeUndefined();
});
