import type { Pod, Secret } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { PULL_SECRETS_CHARACTERS_MAX, PULL_SECRETS_MAX } from "../limits.ts";
import { credentialsFor, readPullSecrets } from "./credentials.ts";
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

  test("a repository's name has 255 characters", () => {
    expect(withDefaultTag("a".repeat(255))).toMatch(/a:latest$/);
    expect(() => withDefaultTag(`${"a/".repeat(128)}:1`)).toThrow("of 258 characters");
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
    ["docker.io/me/a:1", { "https://index.docker.io/v1/": auth("hub") }, ["hub"]],
    ["docker.io/busybox", { "docker.io/library/busybox": auth("hub") }, ["hub"]],
    ["x.reg.example/a", { "*.reg.example": auth("any") }, ["any"]],
    ["x.y.reg.example/a", { "*.reg.example": auth("any") }, []],
    ["other.example/a", { "reg.example": auth("host") }, []],
  ])("for %s", (image, auths, expected) => expect(users(image, auths)).toEqual(expected));

  test("an image's name is taken apart once, not for each of a secret's servers", () => {
    const split = vi.spyOn(String.prototype, "split");
    onTestFinished(() => split.mockRestore());
    const auths = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`r${at}`, {}]));
    credentialsFor(`r.example/${"a/".repeat(100)}a`, [secret(auths)]);
    const ofImage = split.mock.contexts.filter((text) => String(text).startsWith("r.example/"));
    expect(ofImage.length).toBeLessThan(10);
  });

  test("a password may have colons; a broken secret gives none", () => {
    const [found] = credentialsFor("r.example/a", [secret({ "r.example": auth("u") })]);
    expect(found?.auth.password).toBe("p:w");
    const broken = { metadata: {}, data: { ".dockerconfigjson": "e30K!" } };
    expect(credentialsFor("r.example/a", [broken])).toEqual([]);
  });

  test("each is read once, and parsed within a bound for all of a pod's", async () => {
    const named = new Map([
      ["small", secret({ "r.example": auth("u") })],
      ["large", secret({ "r.example": auth("x".repeat(PULL_SECRETS_CHARACTERS_MAX)) })],
    ]);
    const read: string[] = [];
    const reported: string[] = [];
    const secretsOf = (names: readonly string[]) => {
      const imagePullSecrets = names.map((name) => ({ name }));
      const pod: Pod = { metadata: {}, spec: { containers: [], imagePullSecrets } };
      const readOne = (name: string) => {
        read.push(name);
        return Promise.resolve(named.get(name));
      };
      return readPullSecrets(pod, readOne, (message) => reported.push(message));
    };
    const often = Array<string>(40_000).fill("small");
    expect(await secretsOf(["large", "none", ...often])).toEqual([named.get("small")]);
    expect(read.splice(0)).toEqual(["large", "none", "small"]);
    const [text, more] = reported.splice(0);
    const rule = `large: \\d+ bytes of base64, of which ${PULL_SECRETS_CHARACTERS_MAX} fit`;
    expect(text).toMatch(new RegExp(`pull secrets \\(${rule}, none\\); attempting`));
    expect(more).toBeUndefined();
    await secretsOf(["small", ""]);
    expect(reported).toEqual([]);
    read.splice(0);
    await secretsOf(Array.from({ length: 1_000 }, (_, at) => `s${at}`));
    expect(read).toHaveLength(PULL_SECRETS_MAX);
    expect(reported).toEqual([
      expect.stringContaining(
        `, ${1_000 - PULL_SECRETS_MAX} beyond the first ${PULL_SECRETS_MAX})`,
      ),
    ]);
  });
});
