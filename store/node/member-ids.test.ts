import { expect, test } from "vitest";
import { clusterIdOf, memberIdOf, soleIds } from "./member-ids.ts";

test("ids are etcd's: those of a cluster of one with all defaults", () => {
  const member = memberIdOf(["http://localhost:2380"], "etcd-cluster");
  expect(member.toString(16)).toBe("8e9e05c52164694d");
  expect(clusterIdOf([member]).toString(16)).toBe("cdf818194e3a8c32");
});

test("the order of URLs and members does not matter; token, time and name do", () => {
  const urls = ["http://a:1", "http://b:2"];
  expect(memberIdOf(urls, "t")).toBe(memberIdOf([...urls].reverse(), "t"));
  expect(clusterIdOf([1n, 2n])).toBe(clusterIdOf([2n, 1n]));
  const others = [memberIdOf(urls, "u"), memberIdOf(urls, "t", 5), memberIdOf(urls, "t", 6)];
  expect(new Set([memberIdOf(urls, "t"), ...others]).size).toBe(4);
  expect(soleIds("a", "t")).not.toEqual(soleIds("b", "t"));
});
