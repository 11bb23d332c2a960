<?php

// The people and their passwords, from the test.

$config = [
    'people' => ['exampleauth:UserPass']
        + json_decode(file_get_contents(getenv('IDP_DIR') . '/people.json'), true, 512, JSON_THROW_ON_ERROR),
];
