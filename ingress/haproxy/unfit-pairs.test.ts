import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Certificate } from "../plan/model.ts";
import { OwnDataPlane } from "../testing/own-data-plane.ts";

test("certificates that haproxy alone refuses are left out, and all else is served", async () => {
  const words = "req -x509 -newkey rsa:2048 -nodes -keyout - -subj /CN=a.test -days 3".split(" ");
  const pem = execFileSync("openssl", words, { encoding: "utf8", stdio: ["ignore", "pipe"] });
  const wrong = pem.replaceAll("MII", "MIX");
  const certificate = (at: number, text: string): Certificate => ({
    id: `pair-${at}`,
    pem: text,
    hosts: [`${at}.test`],
  });
  const first = certificate(0, wrong);
  const good = certificate(1, pem);
  const last = certificate(2, pem.replace("PRIVATE", "OTHER"));
  const plane = await OwnDataPlane.start();
  const reported: string[][] = [];
  const apply = (certificates: Certificate[], host: string) => {
    const plan = plane.planOf([{ host, paths: [] }], []);
    const secure = { name: "tls", binds: [{ port: plane.tlsPort, certificates }], sites: [] };
    const whole = { ...plan, frontends: [...plan.frontends, secure] };
    return plane.dataPlane.apply(whole, { refused: (ids) => reported.push([...ids]) });
  };
  const read = (file: string) => readFileSync(join(plane.dir, "current", file), "utf8");
  try {
    await apply([first, good, last], "one.test");
    expect(read(`${plane.tlsPort}.certificates`)).toBe("pair-1.pem 1.test\n");
    // The port has none then.
    await apply([first, last], "two.test");
    expect(read("haproxy.cfg")).not.toContain(`bind :${plane.tlsPort}`);
    await apply([good], "three.test");
    expect(read(`${plane.tlsPort}.certificates`)).toBe("pair-1.pem 1.test\n");
    expect(reported).toEqual(Array.from({ length: 2 }, () => ["pair-0", "pair-2"]));
  } finally {
    await plane.close();
  }
});
