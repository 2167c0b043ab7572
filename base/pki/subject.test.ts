import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createCa } from "./certificate.ts";

test("a process that has read a subject can serve TLS", async () => {
  const { cert } = await createCa({ commonName: "a", days: 1, now_ms: Date.now() });
  const program = `
    import { X509Certificate } from "node:crypto";
    const { subjectOf } = await import(${JSON.stringify(join(import.meta.dirname, "subject.ts"))});
    const { commonNames } = subjectOf(new X509Certificate(${JSON.stringify(cert)}));
    const { createSecureServer } = await import("node:http2");
    createSecureServer({});
    console.log(commonNames.join());
  `;
  const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", program];
  expect(execFileSync(process.execPath, flags, { encoding: "utf8" })).toBe("a\n");
});
