//! Commands about single members of a geospatial index.

use super::{place, unit};
use crate::command::args::is;
use crate::command::zsets::members::zadd;
use crate::command::{CmdError, Cx};
use crate::resp::Reply;
use crate::store::geohash::Place;

type Done = Result<(), CmdError>;

/// A ZADD whose scores are the places; replicas are told that.
pub(super) fn geoadd(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (mut nx, mut xx, mut at) = (false, false, 2);
    while let Some(word) = args.get(at) {
        match *word {
            w if is(w, "nx") => nx = true,
            w if is(w, "xx") => xx = true,
            w if is(w, "ch") => {}
            _ => break,
        }
        at += 1;
    }
    let (members, rest) = args[at..].as_chunks::<3>();
    if !rest.is_empty() || nx && xx {
        return Err(CmdError::Syntax);
    }
    let scores = members.iter().map(|[longitude, latitude, _]| {
        let score = place(longitude, latitude)?.score();
        Ok(score.to_string().into_bytes())
    });
    let scores: Vec<Vec<u8>> = scores.collect::<Result<_, CmdError>>()?;
    let mut command: Vec<&[u8]> = vec![b"zadd"];
    command.extend(&args[1..at]);
    for ([_, _, member], score) in members.iter().zip(&scores) {
        command.extend([&score[..], member]);
    }
    zadd(cx, &command)?;
    if cx.effects.is_dirty() {
        cx.rewrite(&command);
    }
    Ok(())
}

/// The places of the members `args[2..]` of the index `args[1]`, one by one.
fn each(cx: &mut Cx<'_>, args: &[&[u8]], mut show: impl FnMut(&mut Reply, Option<Place>)) -> Done {
    let zset = cx.db.zset(args[1])?;
    cx.out.array(args.len() - 2);
    for member in &args[2..] {
        let score = zset.and_then(|zset| zset.score(member));
        show(cx.out, score.map(Place::of_score));
    }
    Ok(())
}

pub(super) fn geohash(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    each(cx, args, |out, place| match place {
        Some(place) => out.bulk(&place.text()),
        None => out.null(),
    })
}

pub(super) fn geopos(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    each(cx, args, |out, place| match place {
        Some(place) => coordinates(out, place),
        None => out.null_array(),
    })
}

/// A place as an array of longitude and latitude.
pub(super) fn coordinates(out: &mut Reply, place: Place) {
    out.array(2);
    for number in [place.longitude, place.latitude] {
        // As Redis prints a `long double`.
        let text = format!("{number:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        out.double_as(if text == "-0" { "0" } else { text });
    }
}

pub(super) fn geodist(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let metres = match args {
        [_, _, _, _] => 1.0,
        [_, _, _, _, name] => unit(name)?,
        _ => return Err(CmdError::Syntax),
    };
    let distance = cx.db.zset(args[1])?.and_then(|zset| {
        let place = |member| zset.score(member).map(Place::of_score);
        Some(place(args[2])?.distance(place(args[3])?) / metres)
    });
    match distance {
        Some(distance) => cx.out.bulk(format!("{distance:.4}").as_bytes()),
        None => cx.out.null(),
    }
    Ok(())
}
