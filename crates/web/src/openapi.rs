//! The document of the API (OpenAPI 3.1), made from the table of routes.

use std::sync::OnceLock;

use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use valkka_site::Role;

use crate::answer::{ErrorBody, Problem, typed, with_header};
use crate::call::Call;
use crate::routes::{Answer, Kind, ROUTES, Route, Verb, Who};

/// Notes a type in the document, and refers to it.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The [`SchemaOf`] of `T`.
pub(crate) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// `GET /api/openapi.json`.
pub(crate) async fn serve(_call: Call) -> Result<Response, Problem> {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let text = DOCUMENT.get_or_init(|| document().to_string());
    Ok(with_header(
        typed("application/json", text.as_str()),
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache"),
    ))
}

/// The whole document.
fn document() -> Value {
    // OpenAPI 3.1 takes JSON Schema 2020-12 as it is; only the place of definitions is its own.
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.for_serialize().into_generator();
    let error = generator.subschema_for::<ErrorBody>().to_value();
    let mut paths = Map::new();
    for route in ROUTES {
        let verb = match route.method {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        let operation = operation(route, &mut generator, &error);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[verb] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Valkka",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The cameras of a site.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "basic": { "type": "http", "scheme": "basic" },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "valkka_PORT",
                    "description": "Set by /api/login; PORT is that of the server.",
                },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator, error: &Value) -> Value {
    let refused = |summary: &str| json!({ "description": summary, "content": { "application/json": { "schema": error } } });
    let mut responses = Map::new();
    let (status, response) = match &route.answer {
        Answer::Json(schema) => ("200", done(generator, *schema)),
        Answer::Nothing => ("204", json!({ "description": "Done." })),
        Answer::Typed(mime) => ("200", json!({ "description": "Done.", "content": { *mime: {} } })),
        Answer::Socket => ("101", json!({ "description": "From here on a WebSocket." })),
    };
    responses.insert(status.into(), response);
    let (who, words) = match route.who {
        Who::Everybody => ("everybody", String::new()),
        Who::LoggedIn => ("user", "For whoever is logged in.".into()),
        Who::OfCamera(role) => (role.name(), format!("Takes the role {role} for the camera.")),
        Who::Admin => ("service admin", "Takes the role admin for all cameras.".into()),
    };
    if route.who != Who::Everybody {
        responses.insert("401".into(), refused("Nobody is logged in, or the password is wrong."));
        responses.insert("429".into(), refused("Wrong passwords too often."));
    }
    if matches!(route.who, Who::OfCamera(_)) {
        responses.insert("404".into(), refused("There is no such camera, or the caller may not see it."));
    }
    let more_than_a_viewer = matches!(route.who, Who::OfCamera(role) if role > Role::Viewer);
    if more_than_a_viewer || route.who == Who::Admin || route.method == Verb::Post {
        let message = "The caller's role is not enough, or the page that asks is not of this server.";
        responses.insert("403".into(), refused(message));
    }
    responses.insert("default".into(), refused("It did not work."));

    let mut operation = json!({
        "summary": route.summary,
        "description": words,
        "operationId": operation_id(route),
        "responses": responses,
        "parameters": parameters(route),
        // Of the operation itself, for programs that check who may do what.
        "x-valkka-who": who,
        "security": if route.who == Who::Everybody { json!([]) } else { json!([{ "basic": [] }, { "session": [] }]) },
    });
    if let Some(body) = route.body {
        let schema = body(generator);
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn done(generator: &mut SchemaGenerator, schema: SchemaOf) -> Value {
    json!({ "description": "Done.", "content": { "application/json": { "schema": schema(generator) } } })
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = path_parameter(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = route.query.iter().map(|parameter| {
        let schema = match parameter.kind {
            Kind::Number => json!({ "type": "integer", "minimum": 0 }),
            Kind::Moment => json!({ "type": "string", "format": "date-time" }),
            Kind::Flag => json!({ "type": "integer", "enum": [0, 1] }),
        };
        json!({
            "name": parameter.name,
            "in": "query",
            "description": parameter.summary,
            "schema": schema,
        })
    });
    in_path.into_iter().chain(in_query).collect()
}

/// The name between the braces.
fn path_parameter(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once('{')?;
    Some(rest.split_once('}')?.0)
}

/// E.g. `get_api_cameras_name_snapshot_jpg`.
fn operation_id(route: &Route) -> String {
    let verb = if route.method == Verb::Get { "get" } else { "post" };
    let words =
        route.path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(verb).chain(words).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// All values under the key `$ref`.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => (),
        }
    }

    #[test]
    fn all_that_is_referred_to_is_there() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 5, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_route_is_an_operation_with_a_name_of_its_own() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let operations: Vec<_> = paths.values().flat_map(|path| path.as_object().unwrap().values()).collect();
        assert_eq!(operations.len(), ROUTES.len());
        let ids: BTreeSet<_> =
            operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), ROUTES.len());
        assert!(ids.contains("get_api_cameras_name_snapshot_jpg"));
    }
}
