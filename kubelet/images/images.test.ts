import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { credentialsFor } from "./credentials.ts";
import { withDefaultTag } from "./image-name.ts";

describe("image names", () => {
  const DIGEST = `sha256:${"0".repeat(64)}`;
  test.each([
    ["busybox", "busybox:latest"],
    ["busybox:1", "busybox:1"],
    ["localhost:5000/a/b", "localhost:5000/a/b:latest"],
    ["localhost:5000/a/b:2", "localhost:5000/a/b:2"],
    [`registry.example/a@${DIGEST}`, `registry.example/a@${DIGEST}`],
    ["r2k.local/web:1", "r2k.local/web:1"],
  ])("%s is %s", (name, full) => expect(withDefaultTag(name)).toBe(full));

  test.each(["", "Upper", "a b", "a:", "a/", "-a", "a::b"])("%j is none", (name) => {
    expect(() => withDefaultTag(name)).toThrow(`couldn't parse image name "${name}"`);
  });
});

describe("pull secrets", () => {
  const secret = (auths: Record<string, object>): Secret => ({
    metadata: {},
    data: { ".dockerconfigjson": Buffer.from(JSON.stringify({ auths })).toString("base64") },
  });
  const auth = (user: string) => ({ auth: Buffer.from(`${user}:p:w`).toString("base64") });
  const users = (image: string, auths: Record<string, object>) =>
    credentialsFor(image, [secret(auths)]).map(({ auth: { username } }) => username);

  test.each<[string, Record<string, object>, string[]]>([
    ["reg.example/a/b:1", { "reg.example": auth("host") }, ["host"]],
    [
      "reg.example/a/b:1",
      { "reg.example": auth("host"), "reg.example/a": auth("path") },
      ["path", "host"],
    ],
    ["reg.example/ab", { "reg.example/a": auth("path") }, []],
    ["busybox", { "https://index.docker.io/v1/": auth("hub") }, ["hub"]],
    ["x.reg.example/a", { "*.reg.example": auth("any") }, ["any"]],
    ["x.y.reg.example/a", { "*.reg.example": auth("any") }, []],
    ["other.example/a", { "reg.example": auth("host") }, []],
  ])("for %s", (image, auths, expected) => expect(users(image, auths)).toEqual(expected));

  test("a password may have colons; a broken secret gives none", () => {
    const [found] = credentialsFor("r.example/a", [secret({ "r.example": auth("u") })]);
    expect(found?.auth.password).toBe("p:w");
    const broken = { metadata: {}, data: { ".dockerconfigjson": "e30K!" } };
    expect(credentialsFor("r.example/a", [broken])).toEqual([]);
  });
});
