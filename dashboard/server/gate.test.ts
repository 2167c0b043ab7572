import { expect, it } from "vitest";
import { policyOf } from "./gate.ts";

it("admits nothing but the page's own files, and one style sheet by a nonce", () => {
  expect(policyOf("NONCE").split("; ")).toEqual([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'nonce-NONCE'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]);
});
