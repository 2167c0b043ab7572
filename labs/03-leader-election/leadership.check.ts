import { checkRules } from "../raft/rules.ts";

checkRules(import.meta);
