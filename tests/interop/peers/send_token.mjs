// Gives every request of a program that knows no tokens the one in the file PEER_TOKEN_FILE.
import { readFileSync } from "node:fs";
import http from "node:http";
import { createRequire, syncBuiltinESMExports } from "node:module";

const { Agent, setGlobalDispatcher } = createRequire(`${process.cwd()}/`)("undici");
const authorization = `Bearer ${readFileSync(process.env.PEER_TOKEN_FILE, "utf-8").trim()}`;

const withToken = (headers) => {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers ?? {}).flat();
  return [...pairs, "authorization", authorization];
};
const sendToken = (dispatch) => (options, handler) => dispatch({ ...options, headers: withToken(options.headers) }, handler);
setGlobalDispatcher(new Agent().compose(sendToken)); // of `fetch` too

const request = http.request;
http.request = (...given) => {
  const options = given.find((one) => one !== null && typeof one === "object" && !(one instanceof URL));
  options.headers = { ...options.headers, authorization };
  return request(...given);
};
syncBuiltinESMExports();
