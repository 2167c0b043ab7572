import { expect, test } from "vitest";
import { resolvConfText } from "./files.ts";

test("resolv.conf has what the pod's DNS says, or the host's text", () => {
  const dns = { servers: ["10.0.0.1", "10.0.0.2"], searches: ["a", "b"], options: ["ndots:5"] };
  expect(resolvConfText(dns, "host\n")).toBe(
    "search a b\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:5\n",
  );
  expect(resolvConfText(undefined, "host\n")).toBe("host\n");
  expect(resolvConfText({ servers: [], searches: [], options: [] }, "host\n")).toBe("host\n");
});

test("a setting that would make a second line is refused", () => {
  const dns = { servers: ["10.0.0.1\nnameserver 6.6.6.6"], searches: [], options: [] };
  expect(() => resolvConfText(dns, "")).toThrow(/DNS setting/);
});
