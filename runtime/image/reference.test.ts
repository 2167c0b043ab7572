import { describe, expect, test } from "vitest";
import { formatReference, parseReference } from "./reference.ts";

describe("image names", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  test.each([
    ["busybox", "docker.io/library/busybox:latest"],
    ["docker.io/busybox:1", "docker.io/library/busybox:1"],
    ["user/app", "docker.io/user/app:latest"],
    ["r2k.local/web:2", "r2k.local/web:2"],
    ["localhost/x", "localhost/x:latest"],
    ["127.0.0.1:5000/a/b:v1.0_x", "127.0.0.1:5000/a/b:v1.0_x"],
    [`r.io/a:tag@${digest}`, `r.io/a@${digest}`],
  ])("%s is %s", (name, complete) => {
    expect(formatReference(parseReference(name))).toBe(complete);
  });

  test.each(["", "UPPER/case", "a b", "x:tag:tag2", "r.io/a@sha256:12", "../x", "r.io/", ":1"])(
    "%j is refused",
    (name) => expect(() => parseReference(name)).toThrow(/invalid image name/),
  );
});
